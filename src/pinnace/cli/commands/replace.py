"""`replace`: put what a manifest says in the place of what is there."""

from typing import Any

from pinnace.cli import cascade, clock, dry_run, last_applied, printers, raw
from pinnace.cli.builder import Selection, from_files_with_errors, has_files, raise_all
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, Command
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError, FileError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
FORCED_TIMEOUT = 300.0  # kubectl's, where none is given


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["raw"] and has_files(flags):
        raw.check(flags)
        return raw.send(session, flags, "PUT")
    if not has_files(flags):
        raise CliError("must specify one of -f and -k")
    _check(flags)
    errors: list[CliError] = []
    unread: list[CliError] = []
    chosen = list(from_files_with_errors(session, flags, unread))
    if flags["force"]:
        _delete_all(session, flags, chosen)
    for one in chosen:
        assert one.manifest is not None
        query = {**dry_run.query(flags, "kubectl-replace"), **validation(flags)}
        body = last_applied.with_annotation(one.manifest) if flags["save-config"] else one.manifest
        try:
            if flags["force"]:
                new = session.http.request(
                    "POST", one.resource.path(one.namespace), query, _unversioned(body)
                )
            elif dry_run.mode(flags) == "client":
                new = body
            else:
                path = one.resource.path(one.namespace, one.name, flags["subresource"])
                new = session.http.request("PUT", path, query, body)
        except ServerError as error:
            errors.append(FileError(error, f'error when replacing "{one.source}"'))
            continue
        printers.printer(flags, lambda _, one=one: one.shown, f"replaced{dry_run.suffix(flags)}")(new)  # type: ignore[misc]
    raise_all([*errors, *unread])
    return 0


def _unversioned(body: Object) -> Object:
    """What was written out with `get -o yaml` has the version of the one that is deleted, which a new one may not have."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
    return {**body, "metadata": metadata}


def _check(flags: Values) -> None:
    cascade.policy(flags)
    if flags["force"] and dry_run.mode(flags) != "none":
        raise CliError("--dry-run can not be used when --force is set")
    if flags["grace-period"] >= 0 and not flags["force"]:
        raise CliError("--grace-period must have --force specified")
    if flags["timeout"] and not flags["force"]:
        raise CliError("--timeout must have --force specified")


def _delete_all(session: Session, flags: Values, chosen: list[Selection]) -> None:
    """And wait until all are gone, so that their names are free."""
    options: Object = {"propagationPolicy": cascade.policy(flags)}
    options["gracePeriodSeconds"] = max(0, flags["grace-period"])
    for one in chosen:
        try:
            session.http.request("DELETE", one.path, None, options)
        except ServerError as error:
            if not_found(error):
                continue
            raise
        print(one.shown if flags["output"] == "name" else f'{one.resource.shown} "{one.name}" deleted')
    end = clock.monotonic() + (flags["timeout"] or FORCED_TIMEOUT)
    for one in chosen:
        _until_gone(session, one, end)


def _until_gone(session: Session, one: Selection, end: float) -> None:
    while True:
        try:
            session.http.get(one.path)
        except ServerError as error:
            if not_found(error):
                return
            raise
        if clock.monotonic() > end:
            raise CliError(f"timed out waiting for the condition on {one.resource.qualified}/{one.name}")
        clock.sleep(0.05)


REPLACE = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        DRY_RUN,
        FIELD_MANAGER,
        VALIDATE,
        raw.FLAG,
        Flag("force", kind="bool", help="Delete and create again."),
        cascade.FLAG,
        Flag("grace-period", kind="int", default=-1, help="Seconds that what --force deletes gets to end."),
        Flag("timeout", kind="duration", help="How long --force waits until the old one is gone."),
        Flag("wait", kind="bool", help="--force waits until the old one is gone, with or without it."),
        Flag("save-config", kind="bool", help="Keep the configuration in the annotation that apply uses."),
        Flag("subresource", help="status or scale."),
    ),
    "-f FILENAME",
    "Replace a resource by file name or stdin.",
)
