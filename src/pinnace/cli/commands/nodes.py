"""`cordon`, `uncordon`, `taint`."""

from typing import Any

from pinnace.cli import dry_run, printers
from pinnace.cli.builder import Selection, fetch, raise_all, select
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, OUTPUT, Command, Run
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError, UsageError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
SELECTOR = Flag("selector", "l", help="Label selector.")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def chosen_nodes(session: Session, flags: Values, arguments: list[str]) -> list[tuple[Selection, Object]]:
    """Named ones (`n1` or `node/n1`), or those of a selector."""
    if not arguments and not flags["selector"]:
        raise UsageError(f"USAGE: {session.path.split(' ', 1)[1]} NODE [flags]", session.path)
    if arguments and flags["selector"]:
        raise CliError("error: cannot specify both a node name and a --selector option")
    words = arguments if any("/" in word for word in arguments) else ["nodes", *arguments]
    found = []
    for one in select(session, words, flags):
        for obj in fetch(session, one, flags):
            found.append((one._replace(name=obj["metadata"]["name"]), obj))
    return found


def _cordoning(wanted: bool) -> Run:
    def run(session: Session, flags: Values, arguments: list[str]) -> int:
        for one, node in chosen_nodes(session, flags, arguments):
            set_cordoned(session, flags, one, node, wanted=wanted)
        return 0

    return run


def set_cordoned(session: Session, flags: Values, one: Selection, node: Object, *, wanted: bool) -> None:
    done = "cordoned" if wanted else "uncordoned"
    if bool(node["spec"].get("unschedulable")) == wanted:
        print(f"{one.shown} already {done}{dry_run.suffix(flags)}")
        return
    if dry_run.mode(flags) != "client":
        query = {"dryRun": "All"} if dry_run.mode(flags) == "server" else {}
        body = {"spec": {"unschedulable": True if wanted else None}}
        session.http.request("PATCH", one.path, query, body, content_type=STRATEGIC)
    print(f"{one.shown} {done}{dry_run.suffix(flags)}")


# --- taint


def run_taint(session: Session, flags: Values, arguments: list[str]) -> int:
    words = arguments[1:] if arguments and arguments[0].lower() in ("node", "nodes", "no") else arguments
    specs = [word for word in words if "=" in word or ":" in word or word.endswith("-")]
    names = [word for word in words if word not in specs]
    if not specs:
        raise CliError("at least one taint update is required")
    if not names and not flags["selector"] and not flags["all"]:
        raise CliError("at least one resource name must be specified since 'all' parameter is not set"
                       if arguments else "one or more resources must be specified as <resource> <name> or <resource>/<name>")  # fmt: skip
    added, removed = _parsed(specs)
    _check_specs(session, added, removed)
    dry_run.mode(flags)
    validation(flags)
    errors: list[CliError] = []
    for one, node in _to_taint(session, flags, names):
        try:
            _taint(session, flags, one, node, added, removed)
        except CliError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _to_taint(session: Session, flags: Values, names: list[str]) -> list[tuple[Selection, Object]]:
    if not flags["all"]:
        return chosen_nodes(session, flags, names)
    found = [(one, obj) for one in select(session, ["nodes"], flags) for obj in fetch(session, one, flags)]
    return [(one._replace(name=obj["metadata"]["name"]), obj) for one, obj in found]


def _check_specs(session: Session, added: list[Object], removed: list[tuple[str, str]]) -> None:
    seen = set()
    for taint in added:
        if (taint["key"], taint["effect"]) in seen:
            shown = f"{{{taint['key']} {taint.get('value', '')} {taint['effect']} <nil>}}"
            raise CliError(
                f"duplicated taints with the same key and effect: {shown}\nSee '{session.path} -h' for help and examples"
            )
        seen.add((taint["key"], taint["effect"]))
    both = [
        f"{key}={effect}"
        for taint in added
        for key, effect in removed
        if key == taint["key"] and effect in ("", taint["effect"])
    ]
    if both:
        raise CliError(
            f"can not both modify and remove the following taint(s) in the same command: {', '.join(both)}"
        )


def _parsed(specs: list[str]) -> tuple[list[Object], list[tuple[str, str]]]:
    added: list[Object] = []
    removed: list[tuple[str, str]] = []
    for spec in specs:
        body, _, effect = spec.removesuffix("-").partition(":")
        key, _, value = body.partition("=")
        if effect and effect not in EFFECTS:
            raise CliError(f"invalid taint effect: {effect}, unsupported taint effect")
        if spec.endswith("-"):
            removed.append((key, effect))
        elif not effect:
            raise CliError(f"invalid taint spec: {spec}")
        else:
            added.append({"key": key, **({"value": value} if value else {}), "effect": effect})
    return added, removed


def _taint(
    session: Session,
    flags: Values,
    one: Selection,
    node: Object,
    added: list[Object],
    removed: list[tuple[str, str]],
) -> None:
    old: list[Object] = node["spec"].get("taints") or []
    taints = [
        t for t in old if not any(t["key"] == key and effect in ("", t["effect"]) for key, effect in removed)
    ]
    gone = len(old) - len(taints)
    for key, effect in removed:
        if not any(t["key"] == key and effect in ("", t["effect"]) for t in old):
            raise CliError(f'taint "{key}{":" + effect if effect else ""}" not found')
    for new in added:
        same = [t for t in taints if (t["key"], t["effect"]) == (new["key"], new["effect"])]
        if same and not flags["overwrite"]:
            raise CliError(
                f"node {one.name} already has {new['key']} taint(s) with same effect(s) and --overwrite is false"
            )
        gone += len(same)
        taints = [t for t in taints if t not in same]
    taints = [*added, *taints]  # as kubectl orders them
    new = {**node, "spec": {**node["spec"], "taints": taints}}
    if dry_run.mode(flags) != "client":
        query = {**dry_run.query(flags, "kubectl-taint"), **validation(flags)}
        body = {"spec": {"taints": taints or None}}
        new = session.http.request("PATCH", one.path, query, body, content_type=MERGE)
    if added and gone:
        done = "modified"
    else:
        done = "tainted" if added else "untainted"
    printers.printer(flags, lambda _: one.shown, done)(new)


CORDON = Command(_cordoning(True), (SELECTOR, DRY_RUN), "NODE", "Mark node as unschedulable.")
UNCORDON = Command(_cordoning(False), (SELECTOR, DRY_RUN), "NODE", "Mark node as schedulable.")
TAINT = Command(
    run_taint,
    (
        SELECTOR,
        *OUTPUT,
        DRY_RUN,
        FIELD_MANAGER,
        VALIDATE,
        Flag("all", kind="bool", help="All nodes."),
        Flag("overwrite", kind="bool", help="Replace a taint of the same key and effect."),
    ),
    "NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N",
    "Update the taints on one or more nodes.",
)
