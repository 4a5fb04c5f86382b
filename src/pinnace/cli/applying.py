"""One manifest made true: by a patch of three ways, by deleting and creating (`--force`), or on the server's side."""

from typing import Any

from pinnace.cli import cascade, clock, dry_run, last_applied
from pinnace.cli.applying_errors import CONFLICTS, about
from pinnace.cli.builder import Selection
from pinnace.cli.commands.create import validation
from pinnace.cli.errors import CliError, FileError, PlainError, ServerError, not_found
from pinnace.cli.flags import Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
Done = tuple[Object, str]  # what came of it, and the word for it
CLIENT_MANAGER, SERVER_MANAGER = "kubectl-client-side-apply", "kubectl"
RETRIES, BACK_OFF = 5, 1.0  # kubectl's, after a conflict
POLL = 0.1  # seconds; until a deleted object is gone


# --- on the server's side


def on_server(session: Session, flags: Values, one: Selection) -> Done:
    query = {**dry_run.query(flags, SERVER_MANAGER), **validation(flags)}
    path = one.resource.path(one.namespace, one.name, flags["subresource"])

    def send() -> Object:
        forced = {**query, "force": "true" if flags["force-conflicts"] else "false"}
        answer: Object = session.http.request(
            "PATCH", path, forced, _body(one.manifest), content_type="application/apply-patch+yaml"
        )
        return answer

    try:
        obj = send()
    except ServerError as error:
        if error.reason == "Conflict":
            raise CliError(f"{error}\n{CONFLICTS}") from error
        if error.http_code == 415:
            raise CliError(f"Server-side apply not available on the server: ({error})") from error
        raise
    if last_applied.ANNOTATION in (obj["metadata"].get("annotations") or {}) and not flags["subresource"]:
        from pinnace.cli.ownership import Migration

        obj = Migration(session, one.resource, path, query).of(obj, send)
    _warn_if_deleting(obj)
    return obj, "serverside-applied"


# --- on the client's side


def here(session: Session, flags: Values, one: Selection) -> Done:
    assert one.manifest is not None
    manifest = last_applied.with_annotation(one.manifest)
    if "generateName" in manifest["metadata"] and not one.name:
        raise CliError(f"from {manifest['metadata']['generateName']}: cannot use generate name with apply")
    try:
        current = session.http.get(one.path)
    except ServerError as error:
        if not not_found(error) or "could not find the requested resource" in str(error):
            raise
        return _create(session, flags, one, manifest)
    if last_applied.of(current) is None and dry_run.mode(flags) != "client":
        _warn_of_no_annotation(session, one)
    return _patch_until_done(session, flags, one, manifest, current)


def _warn_of_no_annotation(session: Session, one: Selection) -> None:
    warn(
        f"Warning: resource {one.resource.name}/{one.name} is missing the {last_applied.ANNOTATION} annotation which "
        f"is required by {session.program} apply. {session.program} apply should only be used on resources created "
        f"declaratively by either {session.program} create --save-config or {session.program} apply. "
        "The missing annotation will be patched automatically."
    )


def _warn_if_deleting(obj: Object) -> None:
    if obj["metadata"].get("deletionTimestamp"):
        name = obj["metadata"]["name"]
        warn(f"Warning: Detected changes to resource {name} which is currently being deleted.")


def _create(session: Session, flags: Values, one: Selection, manifest: Object) -> Done:
    made = without_nulls(manifest)
    if dry_run.mode(flags) != "client":
        query = {**dry_run.query(flags, CLIENT_MANAGER), **validation(flags)}
        try:
            made = session.http.request("POST", one.resource.path(one.namespace), query, _body(made))
        except ServerError as error:
            raise FileError(error, f'error when creating "{one.source}"') from error
    return made, "created"


def without_nulls(value: Any) -> Any:
    """A copy without fields that are null: what a patch of the same manifest would leave."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _patch_until_done(
    session: Session, flags: Values, one: Selection, manifest: Object, current: Object
) -> Done:
    for attempt in range(RETRIES + 1):
        try:
            return _patch(session, flags, one, manifest, current)
        except ServerError as error:
            is_last = error.reason != "Conflict" or attempt == RETRIES
            if is_last and flags["force"] and error.reason in ("Conflict", "Invalid"):
                return _delete_and_create(session, flags, one, manifest, current), "configured"
            if is_last:
                raise
        if attempt:
            clock.sleep(BACK_OFF)
        current = session.http.get(one.path)
    raise AssertionError("the last attempt returns or raises")


def _patch(session: Session, flags: Values, one: Selection, manifest: Object, current: Object) -> Done:
    if dry_run.mode(flags) == "client":
        return current, "configured"
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.schema import schemas
    from pinnace.cli.three_way import patch_for

    schema = schemas.for_gvk(GVK(one.resource.group, one.resource.version, one.resource.kind))
    original = last_applied.of(current) or {}
    patch = patch_for(original, manifest, current, schema)
    if not flags["overwrite"] and schema is not None:
        from pinnace.cli.overwriting import States, check

        check(one, States(original, manifest, current), patch, schema, openapi=flags["openapi-patch"])
    if not patch:
        _warn_if_deleting(current)
        return current, "unchanged"
    kind = "strategic-merge-patch" if schema is not None else "merge-patch"
    query = {**dry_run.query(flags, CLIENT_MANAGER), **validation(flags)}
    try:
        changed = session.http.request(
            "PATCH", one.path, query, _body(patch), content_type=f"application/{kind}+json"
        )
    except ServerError as error:
        if error.reason in ("Invalid", "Conflict"):
            raise
        raise _patch_error(error, one, patch) from error
    _warn_if_deleting(changed)
    return changed, "configured"


def _body(obj: Any) -> bytes:
    """With the fields in the order in which kubectl sends them: the server's messages show it."""
    return last_applied.compact(obj).encode()


def _patch_error(error: ServerError, one: Selection, patch: Object) -> CliError:
    return PlainError(
        f"Error from server ({error.reason}): {about(one, last_applied.compact(patch))}"
        f'error when patching "{one.source}": {error}'
    )


# --- `--force`


def _delete_and_create(
    session: Session, flags: Values, one: Selection, manifest: Object, before: Object
) -> Object:
    """The object anew; what was there before comes back when the server does not take the new one."""
    session.http.request("DELETE", one.path, None, cascade.delete_options(flags))
    head = about(one, last_applied.compact(manifest) + "\n")
    if not _is_gone(session, one, flags["timeout"]):
        raise CliError(f"{head}timed out waiting for the condition")
    query = {**dry_run.query(flags, CLIENT_MANAGER), **validation(flags)}
    collection = one.resource.path(one.namespace)
    try:
        made: Object = session.http.request("POST", collection, query, _body(manifest))
    except ServerError as error:
        metadata = {k: v for k, v in before["metadata"].items() if k != "resourceVersion"}
        try:
            session.http.request("POST", collection, query, _body({**before, "metadata": metadata}))
        except ServerError as again:
            raise CliError(
                f"{head}An error occurred force-replacing the existing object with the newly provided one:\n\n"
                f"{error}.\n\nAdditionally, an error occurred attempting to restore the original object:\n\n{again}"
            ) from error
        raise
    return made


def _is_gone(session: Session, one: Selection, timeout: float) -> bool:
    """Whether it went within the time; 0 waits for ever."""
    end = clock.monotonic() + timeout if timeout else None
    while True:
        try:
            session.http.get(one.path)
        except ServerError as error:
            if not_found(error):
                return True
            raise
        if end is not None and clock.monotonic() > end:
            return False
        clock.sleep(POLL)
