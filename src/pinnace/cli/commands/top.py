"""`top node` and `top pod`: current use of cpu and memory, from the metrics API."""

from decimal import Decimal
from math import ceil
from typing import Any

from pinnace.apimachinery import quantity
from pinnace.cli.ages import seconds_since
from pinnace.cli.builder import items_of
from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.printers.columns_text import ColumnWriter
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
FIRST_METRICS_SECONDS = 120.0
METRICS = "/apis/metrics.k8s.io/v1beta1"
UNITS = {"cpu": "cores", "memory": "bytes", "swap": "bytes"}
UNAVAILABLE = "Metrics API not available"


def _metrics(session: Session, path: str, query: dict[str, str] | None = None) -> Object:
    try:
        found: Object = session.http.get(path, query)
    except ServerError as error:
        if not_found(error) and "could not find the requested resource" in str(error):
            raise CliError(UNAVAILABLE) from error
        raise
    return found


def run_nodes(session: Session, flags: Values, arguments: list[str]) -> int:
    _check(session, flags, arguments, "--selector")
    query = {"labelSelector": flags["selector"]} if flags["selector"] else {}
    path = f"{METRICS}/nodes"
    found = (
        [_metrics(session, f"{path}/{arguments[0]}")]
        if arguments
        else _metrics(session, path, query).get("items") or []
    )
    if not found:
        raise CliError("metrics not available yet")
    nodes = session.mapper.find("nodes")
    listed = items_of(session.http.get(nodes.path(), query), nodes)
    room = {node["metadata"]["name"]: _room(node, flags) for node in listed}
    measures = _measures(flags)
    heads = [f"{title}({unit})" for name, title in measures.items() for unit in (UNITS[name], "%")]
    rows = [] if flags["no-headers"] else [["NAME", *heads]]
    measured = {metric["metadata"]["name"]: metric["usage"] for metric in found}
    for name in _ordered({name: _usage(used) for name, used in measured.items()}, flags):
        cells = [_of_room(measure, measured[name], room.get(name) or {}) for measure in measures]
        rows.append([name, *(cell for pair in cells for cell in pair)])
    if not arguments:
        missing = sorted(set(room) - set(measured))
        rows += [[name, *["<unknown>"] * (2 * len(measures))] for name in missing]
    _write(rows)
    return 0


def _measures(flags: Values) -> dict[str, str]:
    """What is measured -> its title."""
    swap = {"swap": "SWAP"} if flags["show-swap"] else {}
    return {"cpu": "CPU", "memory": "MEMORY", **swap}


def _room(node: Object, flags: Values) -> Object:
    status = node.get("status") or {}
    room = dict(status.get("capacity" if flags["show-capacity"] else "allocatable") or {})
    room.pop("swap", None)  # of swap only the node's own word counts
    swap = ((status.get("nodeInfo") or {}).get("swap") or {}).get("capacity")
    return {**room, "swap": str(swap)} if swap is not None else room


def _of_room(measure: str, usage: Object, room: Object) -> tuple[str, str]:
    """Amount and share; of swap neither, where the node does not say how much it has."""
    if measure == "swap" and "swap" not in room:
        return "<unknown>", "<unknown>"
    amount = quantity.parse(usage.get(measure, "0"))
    return _amount(measure, amount), _percent(amount, room.get(measure))


def _write(rows: list[list[str]]) -> None:
    """kubectl ends each cell with a tab, the last one too."""
    ColumnWriter().write([[*row, ""] for row in rows])


def run_pods(session: Session, flags: Values, arguments: list[str]) -> int:
    _check(session, flags, arguments, "selector")
    namespace = "" if flags["all-namespaces"] else session.namespace
    path = f"{METRICS}/namespaces/{namespace}/pods" if namespace else f"{METRICS}/pods"
    query = {
        key: flags[flag]
        for flag, key in (("selector", "labelSelector"), ("field-selector", "fieldSelector"))
        if flags[flag]
    }
    found = (
        [_metrics(session, f"{path}/{arguments[0]}")]
        if arguments
        else _metrics(session, path, query).get("items") or []
    )
    if not found:
        return _nothing(session, namespace)
    keyed = {(metric["metadata"]["namespace"], metric["metadata"]["name"]): metric for metric in found}
    totals = {key: _sum(metric, "cpu", "memory") for key, metric in keyed.items()}
    measures = _measures(flags)
    before = [*(["NAMESPACE"] if flags["all-namespaces"] else []), *(["POD"] if flags["containers"] else [])]
    heads = [f"{title}({UNITS[name]})" for name, title in measures.items()]
    rows = [] if flags["no-headers"] else [[*before, "NAME", *heads]]
    for key in _ordered(totals, flags):
        space = [key[0]] if flags["all-namespaces"] else []
        if flags["containers"]:
            for container in sorted(keyed[key].get("containers") or (), key=lambda c: str(c["name"])):
                used = {name: quantity.parse(container["usage"].get(name, "0")) for name in measures}
                rows.append([*space, key[1], container["name"], *_amounts(used)])
        else:
            rows.append(
                [*space, key[1], *_amounts(dict(zip(measures, _sum(keyed[key], *measures), strict=True)))]
            )
    if flags["sum"]:
        blanks = len(measures) - 1 + (0 if flags["no-headers"] else len(before))  # as kubectl counts them
        sums = [sum(parts) for parts in zip(*(_sum(metric, *measures) for metric in found), strict=True)]
        whole = _amounts({name: Decimal(total) for name, total in zip(measures, sums, strict=True)})
        rows += [[*[""] * blanks, "________", "________"], [*[""] * (blanks - 1), "", *whole]]
    _write(rows)
    return 0


def _nothing(session: Session, namespace: str) -> int:
    """No metrics: because there are no pods, or because nobody measured them yet."""
    pods = session.mapper.find("pods")
    for pod in items_of(session.http.get(pods.path(namespace)), pods):
        metadata = pod["metadata"]
        age = seconds_since(metadata["creationTimestamp"])
        if age > FIRST_METRICS_SECONDS:
            shown = f"{int(age // 60)}m{age % 60:.0f}s"
            raise CliError(
                f"Metrics not available for pod {metadata['namespace']}/{metadata['name']}, age: {shown}"
            )
        raise CliError("metrics not available yet")
    warn("No resources found" + (f" in {namespace} namespace." if namespace else ""))
    return 0


def _check(session: Session, flags: Values, arguments: list[str], selector: str) -> None:
    if len(arguments) > 1:
        kind = session.path.rpartition(" ")[2]
        raise CliError(f"{kind} [NAME | -l label]\nSee '{session.path} -h' for help and examples")
    if flags["sort-by"] not in ("", "cpu", "memory"):
        raise CliError("--sort-by accepts only cpu or memory")
    if arguments and (flags["selector"] or flags.get("field-selector")):
        raise CliError(f"only one of NAME or {selector} can be provided")


def _ordered(measured: dict[Any, tuple[Decimal, ...]], flags: Values) -> list[Any]:
    names = sorted(measured)
    if flags["sort-by"]:
        names.sort(key=lambda name: measured[name][flags["sort-by"] == "memory"], reverse=True)
    return names


def _usage(usage: Object) -> tuple[Decimal, Decimal]:
    return quantity.parse(usage.get("cpu", "0")), quantity.parse(usage.get("memory", "0"))


def _sum(metric: Object, *measures: str) -> tuple[Decimal, ...]:
    used = [container["usage"] for container in metric.get("containers") or ()]
    return tuple(sum((quantity.parse(one.get(name, "0")) for one in used), Decimal(0)) for name in measures)


def _amounts(used: dict[str, Decimal]) -> list[str]:
    return [_amount(name, amount) for name, amount in used.items()]


def _amount(measure: str, amount: Decimal) -> str:
    if measure == "cpu":
        return f"{ceil(amount * 1000)}m"
    return f"{int(amount) // (1024 * 1024)}Mi"


def _percent(amount: Decimal, whole: str | None) -> str:
    """Of thousandths, which are rounded up before, as kubectl does it."""
    if not whole:
        return "<unknown>"
    room = ceil(quantity.parse(whole) * 1000)
    return f"{int(ceil(amount * 1000) / room * 100) if room else 0}%"


_COMMON = (
    Flag("selector", "l", help="Label selector."),
    Flag("sort-by", help="cpu or memory."),
    Flag("no-headers", kind="bool", help="Do not print headers."),
    Flag("show-swap", kind="bool", help="Swap, too."),
)
_NODE = Command(
    run_nodes, (*_COMMON, Flag("show-capacity", kind="bool", help="Percent of capacity, not of what is allocatable.")),
    "[NAME | -l label]", "Display resource (CPU/memory) usage of nodes.",
)  # fmt: skip
_POD = Command(
    run_pods,
    (
        *_COMMON,
        Flag("field-selector", help="Field selector."),
        Flag("all-namespaces", "A", kind="bool", help="All namespaces."),
        Flag("containers", kind="bool", help="Usage of each container."),
        Flag("sum", kind="bool", help="Print the sum."),
    ),
    "[NAME | -l label]",
    "Display resource (CPU/memory) usage of pods.",
)
TOP = Command(
    None, usage="(node | pod)", summary="Display resource (CPU/memory) usage.",
    subcommands={"node": _NODE, "nodes": _NODE, "no": _NODE, "pod": _POD, "pods": _POD, "po": _POD},
)  # fmt: skip
