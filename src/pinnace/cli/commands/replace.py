"""`replace`: put what a manifest says in the place of what is there."""

from pinnace.cli import dry_run, printers, raw
from pinnace.cli.builder import from_files_with_errors, has_files, raise_all
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, Command
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError, FileError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["raw"] and has_files(flags):
        raw.check(flags)
        return raw.send(session, flags, "PUT")
    if not has_files(flags):
        raise CliError("must specify one of -f and -k")
    errors: list[CliError] = []
    unread: list[CliError] = []
    for one in from_files_with_errors(session, flags, unread):
        assert one.manifest is not None
        query = {**dry_run.query(flags, "kubectl-replace"), **validation(flags)}
        try:
            if flags["force"]:
                _delete(session, one.path)
                new = session.http.request("POST", one.resource.path(one.namespace), query, one.manifest)
            elif dry_run.mode(flags) == "client":
                new = one.manifest
            else:
                new = session.http.request("PUT", one.path, query, one.manifest)
        except ServerError as error:
            errors.append(FileError(error, f'error when replacing "{one.source}"'))
            continue
        printers.printer(flags, lambda _, one=one: one.shown, f"replaced{dry_run.suffix(flags)}")(new)  # type: ignore[misc]
    raise_all([*errors, *unread])
    return 0


def _delete(session: Session, path: str) -> None:
    try:
        session.http.request("DELETE", path, None, {"gracePeriodSeconds": 0})
    except ServerError as error:
        if not not_found(error):
            raise


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
    ),
    "-f FILENAME",
    "Replace a resource by file name or stdin.",
)
