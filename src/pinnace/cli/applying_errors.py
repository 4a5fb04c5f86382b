"""What `apply` says around the errors of single objects."""

from pinnace.cli.builder import Selection

CONFLICTS = """Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""


def about(one: Selection, patch: str) -> str:
    row = one.resource
    shown = row.api_version if row.group else f"/{row.api_version}"
    return (
        f'error when applying patch:\n{patch}\nto:\nResource: "{shown}, Resource={row.name}", '
        f'GroupVersionKind: "{shown}, Kind={row.kind}"\nName: "{one.name}", Namespace: "{one.namespace}"\n'
        f'for: "{one.source}": '
    )
