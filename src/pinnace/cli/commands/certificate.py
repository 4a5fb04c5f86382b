"""`certificate`: approve and deny certificate signing requests."""

from typing import Any

from pinnace.cli import printers
from pinnace.cli.ages import utc_now
from pinnace.cli.builder import Selection, has_files, raise_all
from pinnace.cli.command import FILES, OUTPUT, Command, Run
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
ATTEMPTS = 10


def _deciding(kind: str, other: str, done: str, message: str) -> Run:
    """Sets the condition `kind`, unless `other` is there already."""

    def run(session: Session, flags: Values, arguments: list[str]) -> int:
        if not arguments and not has_files(flags):
            raise CliError("one or more CSRs must be specified as <name> or -f <filename>")
        errors = []
        for one in _named(session, flags, arguments):
            try:
                obj = _decide(session, flags, one)
            except ServerError as error:
                errors.append(error)
                continue
            printers.printer(flags, lambda _, one=one: one.shown, done)(obj)  # type: ignore[misc]
        raise_all(errors)
        return 0

    def _decide(session: Session, flags: Values, one: Selection) -> Object:
        for attempt in range(ATTEMPTS):
            obj: Object = session.http.get(one.path)
            status = obj.get("status") or {}
            conditions = status.get("conditions") or []
            found = {condition["type"] for condition in conditions}
            if other in found:
                raise CliError(f'certificate signing request "{one.name}" is already {other}')
            if kind in found and not flags["force"]:
                return obj
            now = utc_now()
            condition = {"type": kind, "status": "True", "reason": f"Kubectl{message}", "lastUpdateTime": now,
                         "message": f"This CSR was {done} by kubectl certificate {message.lower()}."}  # fmt: skip
            kept = [one for one in conditions if one["type"] != kind]
            body = {**obj, "status": {**status, "conditions": [*kept, condition]}}
            try:
                new: Object = session.http.request("PUT", f"{one.path}/approval", None, body)
            except ServerError as error:
                if error.reason == "Conflict" and attempt + 1 < ATTEMPTS:
                    continue
                raise
            return new
        raise AssertionError("not reached")

    return run


def _named(session: Session, flags: Values, arguments: list[str]) -> list[Selection]:
    from pinnace.cli.builder import from_files

    row = session.mapper.find("certificatesigningrequests")
    if has_files(flags):
        found = from_files(session, flags)
        if any(one.resource.qualified != row.qualified for one in found):
            raise CliError("can only handle certificates.k8s.io/v1 certificate signing requests")
        return found
    return [Selection(row, name) for name in arguments]


_FLAGS = (*FILES, *OUTPUT, Flag("force", kind="bool", help="Update the condition even if it is set."))
_USAGE = "(-f FILENAME | NAME)"
CERTIFICATE = Command(
    None,
    usage="SUBCOMMAND",
    summary="Modify certificate resources.",
    subcommands={
        "approve": Command(
            _deciding("Approved", "Denied", "approved", "Approve"), _FLAGS, _USAGE,
            "Approve a certificate signing request.",
        ),
        "deny": Command(
            _deciding("Denied", "Approved", "denied", "Deny"), _FLAGS, _USAGE,
            "Deny a certificate signing request.",
        ),
    },
)  # fmt: skip
