"""`apply`: make the server's objects what the manifests say, by a three-way patch or on the server's side."""

import sys
from typing import Any

from pinnace.cli import cascade, dry_run, last_applied, printers, pruning
from pinnace.cli.builder import Selection, from_files_with_errors, has_files, raise_all
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTOR, Command
from pinnace.cli.commands.apply_last_applied import EDIT_LAST_APPLIED, SET_LAST_APPLIED, VIEW_LAST_APPLIED
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError, FileError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
Done = tuple[Object, str]  # what came of it, and the word for it
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
    if flags["subresource"] and not flags["server-side"]:
        raise CliError("--subresource can only be specified for --server-side")
    validation(flags)
    pruning.check(flags)
    if flags["prune"] and flags["server-side"]:
        raise CliError(
            "--prune is in alpha and doesn't currently work on objects created by server-side apply"
        )
    pruned_types = pruning.types(session, flags) if flags["prune"] else []
    errors: list[CliError] = []
    chosen = list(from_files_with_errors(session, flags, errors))
    if not chosen and not errors:
        raise CliError("no objects passed to apply")
    applied: list[tuple[Selection, Object]] = []
    for one in chosen:
        try:
            done = (
                _server_side(session, flags, one)
                if flags["server-side"]
                else _client_side(session, flags, one)
            )
        except CliError as error:
            errors.append(error)
            continue
        applied.append((one, done[0]))
        if not _is_whole(flags):
            _say(flags, one, *done)
    raise_all(errors)
    if _is_whole(flags):
        _show(flags, applied)
    if flags["prune"]:
        _prune(session, flags, pruned_types, applied)
    return 0


def _is_whole(flags: Values) -> bool:
    """The objects are written, at the end and as one List, instead of a line for each."""
    return bool(flags["template"]) or flags["output"] not in ("", "name")


def _say(flags: Values, one: Selection, obj: Object, what: str) -> None:
    printers.printer(flags, lambda _: one.shown, f"{what}{dry_run.suffix(flags)}")(obj)


def _show(flags: Values, applied: list[tuple[Selection, Object]]) -> None:
    show = printers.printer(flags, lambda _: applied[0][0].shown)
    if len(applied) == 1:
        show(applied[0][1])
        return
    listed = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [obj for _, obj in applied]}
    if flags["output"] != "json":
        show(listed)
        return
    if not flags["show-managed-fields"]:
        listed = printers.without_managed_fields(listed)
    listed["items"] = [printers.sorted_keys(item) for item in listed["items"]]
    sys.stdout.write(printers.to_text(listed, "json", sort_keys=False))


def _prune(
    session: Session, flags: Values, types: list[Resource], applied: list[tuple[Selection, Object]]
) -> None:
    pruning.warn_of_cluster_scope(session, flags)
    visited = {uid for _, obj in applied if (uid := obj["metadata"].get("uid"))}
    namespaces = list(dict.fromkeys(one.namespace for one, _ in applied if one.namespace))
    options: Object = {"propagationPolicy": cascade.policy(flags)}
    if flags["grace-period"] >= 0:
        options["gracePeriodSeconds"] = flags["grace-period"]
    if dry_run.mode(flags) == "server":
        options["dryRun"] = ["All"]
    for one, obj in pruning.leftovers(session, flags, types, namespaces, visited):
        if dry_run.mode(flags) != "client":
            session.http.request("DELETE", one.path, None, options)
        _say(flags, one, obj, "pruned")


# --- on the server's side


def _server_side(session: Session, flags: Values, one: Selection) -> Done:
    query = {**dry_run.query(flags, SERVER_MANAGER), **validation(flags)}
    query["force"] = "true" if flags["force-conflicts"] else "false"
    try:
        path = one.resource.path(one.namespace, one.name, flags["subresource"])
        obj = session.http.request(
            "PATCH", path, query, one.manifest, content_type="application/apply-patch+yaml"
        )
    except ServerError as error:
        if error.reason == "Conflict":
            raise CliError(f"{error}\n{CONFLICTS}") from error
        raise
    return obj, "serverside-applied"


# --- on the client's side


def _client_side(session: Session, flags: Values, one: Selection) -> Done:
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
            return _create(session, flags, one, manifest)
        try:
            return _patch(session, flags, one, manifest, current)
        except ServerError as error:
            if error.reason != "Conflict" or attempt + 1 == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _create(session: Session, flags: Values, one: Selection, manifest: Object) -> Done:
    made = manifest
    if dry_run.mode(flags) != "client":
        query = {**dry_run.query(flags, CLIENT_MANAGER), **validation(flags)}
        try:
            made = session.http.request("POST", one.resource.path(one.namespace), query, manifest)
        except ServerError as error:
            raise FileError(error, f'error when creating "{one.source}"') from error
    return made, "created"


def _patch(session: Session, flags: Values, one: Selection, manifest: Object, current: Object) -> Done:
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
        return current, "unchanged"
    if dry_run.mode(flags) == "client":
        return current, "configured"
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
    return changed, "configured"


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


APPLY = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        DRY_RUN,
        FIELD_MANAGER,
        VALIDATE,
        Flag("server-side", kind="bool", help="Apply on the server instead of the client."),
        SELECTOR,
        Flag("all", kind="bool", help="With --prune: of all that was ever applied in the namespaces."),
        *pruning.FLAGS,
        cascade.FLAG,
        Flag("grace-period", kind="int", default=-1, help="Seconds that what is pruned gets to end."),
        Flag("subresource", help="With --server-side: apply to this part alone, e.g. status."),
        Flag("force-conflicts", kind="bool", help="Take over fields of other managers."),
    ),
    "-f FILENAME",
    "Apply a configuration to a resource by file name or stdin.",
    {
        "edit-last-applied": EDIT_LAST_APPLIED,
        "set-last-applied": SET_LAST_APPLIED,
        "view-last-applied": VIEW_LAST_APPLIED,
    },
)
