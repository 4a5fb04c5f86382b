"""`rollout`: status, history, undo, restart, pause and resume of deployments, daemon sets and stateful sets."""

from collections.abc import Callable, Iterator
from typing import Any

from pinnace.cli import clock, printers
from pinnace.cli.ages import utc_now
from pinnace.cli.builder import Selection, has_files, resolve
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTOR, Command
from pinnace.cli.commands import rollout_revisions as revisions
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.rollout_status import Progress, progress_of
from pinnace.cli.session import Session, warn
from pinnace.cli.watching import events

Object = dict[str, Any]
STRATEGIC = "application/strategic-merge-patch+json"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def _chosen(session: Session, flags: Values, arguments: list[str]) -> Iterator[tuple[Selection, Object]]:
    if not arguments and not has_files(flags):
        raise CliError("required resource not specified")
    found = False
    for pair in resolve(session, arguments, flags, need_names=False):
        found = True
        yield pair
    if not found:
        warn(f"No resources found in {session.namespace} namespace.")


def _say(flags: Values, one: Selection, done: str, obj: Object) -> None:
    printers.printer(flags, lambda _: one.shown, done)(obj)


# --- status


def status(session: Session, flags: Values, arguments: list[str]) -> int:
    end = clock.monotonic() + flags["timeout"] if flags["timeout"] else None
    for one, obj in _chosen(session, flags, arguments):
        _follow(session, flags, one, obj, end)
    return 0


def _follow(session: Session, flags: Values, one: Selection, obj: Object, end: float | None) -> None:
    def step(new: Object) -> bool:
        if flags["revision"]:
            _check_revision(new, flags["revision"])
        progress: Progress = progress_of(one.resource, new)
        print(progress.message, flush=True)
        return progress.done or not flags["watch"]

    if step(obj):
        return
    query = {"fieldSelector": f"metadata.name={one.name}"}
    left = None if end is None else max(0.0, end - clock.monotonic())
    version = obj["metadata"]["resourceVersion"]
    try:
        for kind, new in events(session.http, one.resource.path(one.namespace), query, version, timeout=left):
            if kind == "DELETED":
                raise CliError("object has been deleted")
            if step(new):
                return
    except TimeoutError:
        raise CliError("timed out waiting for the condition") from None


def _check_revision(obj: Object, wanted: int) -> None:
    found = (obj["metadata"].get("annotations") or {}).get(revisions.REVISION)
    if found is not None and int(found) != wanted:
        raise CliError(f"desired revision ({wanted}) is different from the running revision ({found})")


# --- history and undo


def history(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["revision"] < 0:
        raise CliError(f"revision must be a positive integer: {flags['revision']}")
    for one, obj in _chosen(session, flags, arguments):
        known = revisions.of(session, one, obj)
        if flags["output"] or flags["template"]:
            _print_revisions(flags, one, obj, known)
        elif flags["revision"]:
            revision = known.get(flags["revision"])
            text = revisions.template_text(revision) if revision else revisions.NO_HISTORY
            print(f"{one.shown} with revision #{flags['revision']}\n{text}")
        else:
            print(f"{one.shown} \n{revisions.table(known)}")
    return 0


def _print_revisions(flags: Values, one: Selection, obj: Object, known: dict[int, Object]) -> None:
    """The object as it was: the replica set of a deployment, else the object with the revision's template."""
    if flags["revision"] and flags["revision"] not in known:
        raise CliError("unable to find the specified revision")
    chosen = [flags["revision"]] if flags["revision"] else sorted(known)
    shown = ""
    write = printers.printer(flags, lambda _: shown)
    for number in chosen:
        was = revisions.as_it_was(obj, known[number])
        shown = f"{was['kind'].lower()}.{one.resource.group}/{was['metadata']['name']}"
        write(was)


def undo(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["to-revision"] < 0:
        raise CliError(f"invalid revision number: {flags['to-revision']}")
    for one, obj in _chosen(session, flags, arguments):
        if one.resource.name == "deployments" and (obj["spec"] or {}).get("paused"):
            raise CliError(
                f"you cannot rollback a paused deployment; resume it first with '{session.program} rollout resume' and try again"
            )
        known = revisions.of(session, one, obj)
        target = revisions.target(one, known, flags["to-revision"])
        patch = revisions.undo_patch(one.resource, obj, known[target])
        if patch is None:
            _say(flags, one, f"skipped rollback (current template already matches revision {target})", obj)
            continue
        if flags["dry-run"] == "client":
            print(f"{one.shown} {revisions.template_text(known[target])}")
            continue
        content_type, body = patch
        query = {"dryRun": "All"} if flags["dry-run"] == "server" else {}
        changed = session.http.request("PATCH", one.path, query, body, content_type=content_type)
        _say(flags, one, "rolled back" + (" (server dry run)" if query else ""), changed)
    return 0


# --- restart, pause, resume


def _changing(make: Callable[[Selection, Object], Object], done: str, manager: str) -> Callable[..., int]:
    def run(session: Session, flags: Values, arguments: list[str]) -> int:
        failed: list[str] = []
        for one, obj in _chosen(session, flags, arguments):
            try:
                patch = make(one, obj)
            except CliError as error:
                failed.append(str(error))
                continue
            query = {"fieldManager": flags["field-manager"] or manager}
            changed = session.http.request("PATCH", one.path, query, patch, content_type=STRATEGIC)
            _say(flags, one, done, changed)
        if failed:
            raise CliError("\n".join(failed))
        return 0

    return run


def _restarted(one: Selection, obj: Object) -> Object:
    if one.resource.name not in ("deployments", "daemonsets", "statefulsets"):
        raise CliError(f'{one.resource.name}.{one.resource.group} "{one.name}" restarting is not supported'
                       if one.resource.group else f'{one.resource.name} "{one.name}" restarting is not supported')  # fmt: skip
    if one.resource.name == "deployments" and obj["spec"].get("paused"):
        raise CliError(
            f'{one.resource.qualified} "{one.name}" can\'t restart paused deployment (run rollout resume first)'
        )
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: utc_now()}}}}}


def _paused(one: Selection, obj: Object) -> Object:
    if one.resource.name != "deployments":
        raise CliError(f'{one.resource.qualified} "{one.name}" pausing is not supported')
    if obj["spec"].get("paused"):
        raise CliError(f'{one.resource.qualified} "{one.name}" is already paused')
    return {"spec": {"paused": True}}


def _resumed(one: Selection, obj: Object) -> Object:
    if one.resource.name != "deployments":
        raise CliError(f'{one.resource.qualified} "{one.name}" resuming is not supported')
    if not obj["spec"].get("paused"):
        raise CliError(f'{one.resource.qualified} "{one.name}" is not paused')
    return {"spec": {"paused": None}}


_COMMON = (*FILES, SELECTOR, *OUTPUT)
_USAGE = "(TYPE NAME | TYPE/NAME)"
ROLLOUT = Command(
    None,
    usage="SUBCOMMAND",
    summary="Manage the rollout of one or many resources.",
    subcommands={
        "history": Command(
            history, (*_COMMON, Flag("revision", kind="int", help="Show the details of this revision.")), _USAGE,
            "View rollout history.",
        ),
        "pause": Command(
            _changing(_paused, "paused", "kubectl-rollout"), (*_COMMON, FIELD_MANAGER), _USAGE,
            "Mark the provided resource as paused.",
        ),
        "restart": Command(
            _changing(_restarted, "restarted", "kubectl-rollout"), (*_COMMON, FIELD_MANAGER), _USAGE,
            "Restart a resource.",
        ),
        "resume": Command(
            _changing(_resumed, "resumed", "kubectl-rollout"), (*_COMMON, FIELD_MANAGER), _USAGE,
            "Resume a paused resource.",
        ),
        "status": Command(
            status,
            (
                *FILES,
                SELECTOR,
                Flag("watch", "w", kind="bool", default=True, help="Watch until it is done."),
                Flag("revision", kind="int", help="Pin to a revision."),
                Flag("timeout", kind="duration", help="How long to wait; 0 means for ever."),
            ),
            _USAGE, "Show the status of the rollout.",
        ),
        "undo": Command(
            undo, (*_COMMON, DRY_RUN, Flag("to-revision", kind="int", help="The revision to roll back to.")), _USAGE,
            "Undo a previous rollout.",
        ),
    },
)  # fmt: skip
