"""`cordon`, `uncordon`, `taint`."""

from typing import Any

from pinnace.cli import dry_run, printers
from pinnace.cli.builder import Selection, fetch, raise_all, select
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, OUTPUT, Command, Run
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError
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
        raise CliError(
            f"USAGE: {session.path.split(' ', 1)[1]} NODE [flags]\nSee '{session.path} -h' for help and examples"
        )
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
    resources, specs = _apart(arguments)
    if not resources:
        raise CliError("one or more resources must be specified as <resource> <name>")
    if not specs:
        raise CliError("at least one taint update is required")
    try:
        added, removed = _parsed(specs)
    except ValueError as error:
        raise CliError(f"{error}\nSee '{session.path} -h' for help and examples") from error
    _check(flags, resources, added, removed)
    dry_run.mode(flags)
    validation(flags)
    if flags["all"] or flags["selector"]:
        targets = [
            (one, obj) for one in select(session, ["nodes"], flags) for obj in fetch(session, one, flags)
        ]
        chosen = [(one._replace(name=obj["metadata"]["name"]), obj) for one, obj in targets]
    else:
        chosen = chosen_nodes(session, flags, resources[1:])
    errors: list[CliError] = []
    for one, node in chosen:
        try:
            _taint(session, flags, one, node, added, removed)
        except CliError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _apart(arguments: list[str]) -> tuple[list[str], list[str]]:
    """(type and names, taints)."""
    resources: list[str] = []
    specs: list[str] = []
    for word in arguments:
        if "=" in word or ":" in word or word.endswith("-"):
            specs.append(word)
        elif specs:
            raise CliError(f"all resources must be specified before taint changes: {word}")
        else:
            resources.append(word)
    return resources, specs


def _check(flags: Values, resources: list[str], added: list[Object], removed: list[tuple[str, str]]) -> None:
    if resources[0].lower() not in ("node", "nodes"):
        raise CliError(f"invalid resource type {resources[0]}, only node types are supported")
    both = [
        f"{key}={effect}"
        for key, effect in removed
        if any(t["key"] == key and effect in ("", t["effect"]) for t in added)
    ]
    if both:
        raise CliError(
            f"can not both modify and remove the following taint(s) in the same command: {', '.join(both)}"
        )
    if flags["all"] and flags["selector"]:
        raise CliError("setting 'all' parameter with a non empty selector is prohibited.")
    if not flags["all"] and not flags["selector"] and len(resources) < 2:
        raise CliError("at least one resource name must be specified since 'all' parameter is not set")


def _parsed(specs: list[str]) -> tuple[list[Object], list[tuple[str, str]]]:
    """(taints to put, key and effect of those to take away); ValueError for what is none."""
    added: list[Object] = []
    removed: list[tuple[str, str]] = []
    for spec in specs:
        key, value, effect = _taint_of(spec.removesuffix("-"))
        if spec.endswith("-"):
            removed.append((key, effect))
        elif not effect:
            raise ValueError(f"invalid taint spec: {spec}")
        else:
            new = {"key": key, **({"value": value} if value else {}), "effect": effect}
            if any((t["key"], t["effect"]) == (key, effect) for t in added):
                shown = f"{{{key} {value} {effect} <nil>}}"  # as Go shows a struct
                raise ValueError(f"duplicated taints with the same key and effect: {shown}")
            added.append(new)
    return added, removed


def _taint_of(spec: str) -> tuple[str, str, str]:
    from pinnace.api.names import label_value, qualified_name

    body, *effects = spec.split(":")
    key, value, effect = body, "", ""
    if len(effects) > 1:
        raise ValueError(f"invalid taint spec: {spec}")
    if effects:
        effect = effects[0]
        if effect not in EFFECTS:
            raise ValueError(f"invalid taint effect: {effect}, unsupported taint effect")
        key, *values = body.split("=")
        if len(values) > 1:
            raise ValueError(f"invalid taint spec: {spec}")
        value = values[0] if values else ""
        if problems := label_value(value):
            raise ValueError(f"invalid taint spec: {spec}, {'; '.join(problems)}")
    if problems := qualified_name(key):
        raise ValueError(f"invalid taint spec: {spec}, {'; '.join(problems)}")
    return key, value, effect


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
