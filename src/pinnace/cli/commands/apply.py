"""`apply`: make the server's objects what the manifests say, by a three-way patch or on the server's side."""

from typing import Any

from pinnace.cli import dry_run, last_applied, printers
from pinnace.cli.builder import Selection, Several, from_files, has_files
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, Command
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
CLIENT_MANAGER, SERVER_MANAGER = "kubectl-client-side-apply", "kubectl"
ATTEMPTS = 5
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


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if arguments:
        raise CliError(
            f"Unexpected args: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples"
        )
    if not has_files(flags):
        raise CliError("must specify one of -f and -k")
    if flags["server-side"] and dry_run.mode(flags) == "client":
        raise CliError(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )
    if flags["force-conflicts"] and not flags["server-side"]:
        raise CliError("--force-conflicts only works with --server-side")
    errors: list[CliError] = []
    chosen = from_files(session, flags)
    if not chosen:
        raise CliError("no objects passed to apply")
    for one in chosen:
        try:
            _server_side(session, flags, one) if flags["server-side"] else _client_side(session, flags, one)
        except CliError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else Several(errors)
    return 0


def _done(flags: Values, one: Selection, obj: Object, what: str) -> None:
    printers.printer(flags, lambda _: one.shown, f"{what}{dry_run.suffix(flags)}")(obj)


# --- on the server's side


def _server_side(session: Session, flags: Values, one: Selection) -> None:
    query = {**dry_run.query(flags, SERVER_MANAGER), **validation(flags)}
    query["force"] = "true" if flags["force-conflicts"] else "false"
    try:
        obj = session.http.request(
            "PATCH", one.path, query, one.manifest, content_type="application/apply-patch+yaml"
        )
    except ServerError as error:
        if error.reason == "Conflict":
            raise CliError(f"{error}\n{CONFLICTS}") from error
        raise
    _done(flags, one, obj, "serverside-applied")


# --- on the client's side


def _client_side(session: Session, flags: Values, one: Selection) -> None:
    assert one.manifest is not None
    manifest = last_applied.with_annotation(one.manifest)
    if "generateName" in manifest["metadata"] and not one.name:
        raise CliError(f"from {manifest['metadata']['generateName']}: cannot use generate name with apply")
    for attempt in range(ATTEMPTS):
        try:
            current = session.http.get(one.path)
        except ServerError as error:
            if not not_found(error) or "could not find the requested resource" in str(error):
                raise
            _create(session, flags, one, manifest)
            return
        try:
            _patch(session, flags, one, manifest, current)
        except ServerError as error:
            if error.reason == "Conflict" and attempt + 1 < ATTEMPTS:
                continue
            raise
        return


def _create(session: Session, flags: Values, one: Selection, manifest: Object) -> None:
    made = manifest
    if dry_run.mode(flags) != "client":
        query = {**dry_run.query(flags, CLIENT_MANAGER), **validation(flags)}
        try:
            made = session.http.request("POST", one.resource.path(one.namespace), query, manifest)
        except ServerError as error:
            if error.reason == "Invalid":
                raise
            raise PlainError(
                f'Error from server ({error.reason}): error when creating "{one.source}": {error}'
            ) from error
    _done(flags, one, made, "created")


def _patch(session: Session, flags: Values, one: Selection, manifest: Object, current: Object) -> None:
    original = last_applied.of(current)
    if original is None:
        warn(
            f"Warning: resource {one.resource.name}/{one.name} is missing the {last_applied.ANNOTATION} annotation which "
            f"is required by {session.program} apply. {session.program} apply should only be used on resources created "
            f"declaratively by either {session.program} create --save-config or {session.program} apply. "
            "The missing annotation will be patched automatically."
        )
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.schema import schemas
    from pinnace.cli.three_way import patch_for

    schema = schemas.for_gvk(GVK(one.resource.group, one.resource.version, one.resource.kind))
    patch = patch_for(original or {}, manifest, current, schema)
    if not patch:
        _done(flags, one, current, "unchanged")
        return
    if dry_run.mode(flags) == "client":
        _done(flags, one, current, "configured")
        return
    kind = "strategic-merge-patch" if schema is not None else "merge-patch"
    query = {**dry_run.query(flags, CLIENT_MANAGER), **validation(flags)}
    try:
        changed = session.http.request(
            "PATCH", one.path, query, patch, content_type=f"application/{kind}+json"
        )
    except ServerError as error:
        if error.reason in ("Invalid", "Conflict"):
            raise
        raise _patch_error(error, one, patch) from error
    _done(flags, one, changed, "configured")


def _patch_error(error: ServerError, one: Selection, patch: Object) -> CliError:
    import json

    row = one.resource
    return PlainError(
        f"Error from server ({error.reason}): error when applying patch:\n"
        f"{json.dumps(patch, separators=(',', ':'), sort_keys=True)}\n"
        f'to:\nResource: "{row.api_version}, Resource={row.name}", GroupVersionKind: "{row.api_version}, Kind={row.kind}"\n'
        f'Name: "{one.name}", Namespace: "{one.namespace}"\n'
        f'for: "{one.source}": error when patching "{one.source}": {error}'
    )


def _view_last_applied(session: Session, flags: Values, arguments: list[str]) -> int:
    from pinnace.cli.builder import resolve

    for one, obj in resolve(session, arguments, flags):
        original = last_applied.of(obj)
        if original is None:
            raise CliError(f"no last-applied-configuration annotation found on resource: {one.name}")
        print(printers.to_text(original, flags["output"] or "yaml", indent=2), end="")
    return 0


APPLY = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        DRY_RUN,
        FIELD_MANAGER,
        VALIDATE,
        Flag("server-side", kind="bool", help="Apply on the server instead of the client."),
        Flag("force-conflicts", kind="bool", help="Take over fields of other managers."),
    ),
    "-f FILENAME",
    "Apply a configuration to a resource by file name or stdin.",
    {
        "view-last-applied": Command(
            _view_last_applied, (*FILES, Flag("output", "o", help="yaml or json.")), "(TYPE [NAME] | TYPE/NAME | -f FILENAME)",
            "View the latest last-applied-configuration annotations of a resource.",
        )
    },
)  # fmt: skip
