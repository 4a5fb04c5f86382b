"""`delete`: by name, by label, by file; and waiting until the objects are gone."""

import sys
from typing import Any

from pinnace.cli import cascade, clock, dry_run, raw
from pinnace.cli.builder import (
    NO_NAMES,
    Selection,
    fetch,
    from_files_with_errors,
    has_files,
    raise_all,
    select,
)
from pinnace.cli.command import DRY_RUN, FILES, SELECTION, Command
from pinnace.cli.errors import CliError, FileError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn
from pinnace.cli.waiting_line import waiting

Object = dict[str, Any]
FORCED = ("Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
          "The resource may continue to run on the cluster indefinitely.")  # fmt: skip


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["raw"]:
        if len(flags["filename"]) > 1:
            raise CliError("--raw can only use a single local file or stdin")
        return raw.send(session, flags, "DELETE")
    options = _options(flags)
    _check(flags, arguments)
    unread: list[CliError] = []
    chosen = (
        list(from_files_with_errors(session, flags, unread))
        if has_files(flags) and not arguments
        else select(session, arguments, flags)
    )
    if not chosen and not unread and not has_files(flags):
        raise CliError(
            "You must provide one or more resources by argument or filename.\n"
            "Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n"
            "   '<resource> <name>'\n   '<resource>'"
        )
    if flags["force"] and options.get("gracePeriodSeconds") == 0:
        warn(FORCED)
    errors: list[CliError] = []
    gone: list[tuple[Selection, str]] = []
    if flags["interactive"]:
        chosen = [target for one in chosen for target in _targets(session, flags, one, errors)]
        if chosen and not _confirmed(chosen):
            print("deletion is cancelled")
            return 0
    for one in chosen:
        for target in _targets(session, flags, one, errors):
            uid = _delete(session, flags, target, options, errors)
            if uid is not None:
                gone.append((target, uid))
    if not gone and not errors and not unread and not any(one.name for one in chosen):
        print("No resources found")
    if flags["wait"] and dry_run.mode(flags) == "none":
        _wait(session, flags, gone)
    raise_all([*errors, *unread])
    return 0


def _check(flags: Values, arguments: list[str]) -> None:
    if flags["output"] not in ("", "name"):
        raise CliError(f"unexpected -o output mode: {flags['output']}. We only support '-o name'")
    if flags["all"] and flags["selector"]:
        raise CliError("setting 'all' parameter but found a non empty selector. ")
    narrowed = flags["all"] or flags["selector"] or flags["field-selector"]
    if narrowed and not arguments and not has_files(flags):
        raise CliError("at least one resource must be specified to use a selector")
    if narrowed and "ignore-not-found" not in flags.given:
        flags["ignore-not-found"] = True


def _confirmed(chosen: list[Selection]) -> bool:
    print(f"You are about to delete the following {len(chosen)} resource(s):")
    for one in chosen:
        print(
            f"{one.resource.kind.lower()}{f'.{one.resource.group}' if one.resource.group else ''}/{one.name}"
        )
    print("Do you want to continue? (y/n): ", end="", flush=True)
    return sys.stdin.readline().strip().lower() == "y"


def _targets(session: Session, flags: Values, one: Selection, errors: list[CliError]) -> list[Selection]:
    if one.name:
        return [one]
    if not (flags["all"] or flags["selector"] or flags["field-selector"]):
        raise CliError(NO_NAMES)
    try:
        found = fetch(session, one, flags)
    except ServerError as error:
        errors.append(error)
        return []
    return [
        one._replace(name=obj["metadata"]["name"], namespace=obj["metadata"].get("namespace", ""))
        for obj in found
    ]


def _options(flags: Values) -> Object:
    options: Object = {"propagationPolicy": cascade.policy(flags)}
    grace = flags["grace-period"]
    if flags["now"]:
        if grace >= 0:
            raise CliError("--now and --grace-period cannot be specified together")
        grace = 1
    if flags["force"] and grace > 0:
        raise CliError("--force and --grace-period greater than 0 cannot be specified together")
    if flags["force"] and grace < 0:
        grace = 0
    if grace == 0 and not flags["force"]:
        grace = 1  # only --force deletes without waiting for the node
    if grace >= 0:
        options["gracePeriodSeconds"] = grace
    if dry_run.mode(flags) == "server":
        options["dryRun"] = ["All"]
    return options


def _delete(
    session: Session, flags: Values, one: Selection, options: Object, errors: list[CliError]
) -> str | None:
    """The uid of what is being deleted; None when it failed."""
    uid = ""
    if dry_run.mode(flags) != "client":
        try:
            answer = session.http.request("DELETE", one.path, None, options)
        except ServerError as error:
            if not (not_found(error) and flags["ignore-not-found"]):
                about = FileError(error, f'error when deleting "{one.source}"') if one.source else error
                errors.append(about)
            return None
        found = answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")
        uid = (found or {}).get("uid", "")
    _say(flags, one)
    return uid


def _say(flags: Values, one: Selection) -> None:
    if flags["output"] == "name":
        print(one.shown)
        return
    done = "force deleted" if flags["force"] and flags["grace-period"] <= 0 else "deleted"
    where = f" from {one.namespace} namespace" if one.namespace else ""
    print(f'{one.resource.shown} "{one.name}" {done}{where}{dry_run.suffix(flags)}')


def _wait(session: Session, flags: Values, gone: list[tuple[Selection, str]]) -> None:
    """Until none of them is there any more (or another one took the name)."""
    end = clock.monotonic() + flags["timeout"] if flags["timeout"] else None
    for one, uid in gone:
        with waiting(f"{one.shown} to go"):
            _until_gone(session, one, uid, end)


def _until_gone(session: Session, one: Selection, uid: str, end: float | None) -> None:
    pause = 0.02
    while True:
        try:
            obj = session.http.get(one.path)
        except ServerError as error:
            if not_found(error):
                return
            raise
        if uid and obj["metadata"].get("uid") != uid:
            return
        if end is not None and clock.monotonic() > end:
            raise CliError(f"timed out waiting for the condition on {one.resource.qualified}/{one.name}")
        clock.sleep(pause)
        pause = min(pause * 2, 0.5)


DELETE = Command(
    run,
    (
        *FILES,
        *SELECTION,
        Flag("output", "o", help='"name" for shorter output.'),
        DRY_RUN,
        Flag("all", kind="bool", help="Delete all resources of the type in the namespace."),
        cascade.FLAG,
        raw.FLAG,
        Flag("interactive", "i", kind="bool", help="Ask before anything is deleted."),
        Flag("force", kind="bool", help="Remove from the API at once, without waiting for the node."),
        Flag("grace-period", kind="int", default=-1, help="Seconds the resource gets to end."),
        Flag("now", kind="bool", help="As --grace-period=1."),
        Flag("ignore-not-found", kind="bool", help="Be silent about what is not there."),
        Flag("timeout", kind="duration", help="How long to wait; 0 means for ever."),
        Flag("wait", kind="bool", default=True, help="Wait until the resources are gone."),
    ),
    "([-f FILENAME] | TYPE [(NAME | -l label | --all)])",
    "Delete resources by file names, stdin, resources and names, or by resources and label selector.",
)
