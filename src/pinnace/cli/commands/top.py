"""`top node` and `top pod`: current use of cpu and memory, from the metrics API."""

from decimal import Decimal
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
    _check_sort(flags)
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
    part = "capacity" if flags["show-capacity"] else "allocatable"
    room = {node["metadata"]["name"]: (node.get("status") or {}).get(part) or {} for node in listed}
    rows = [] if flags["no-headers"] else [["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]]
    measured = {metric["metadata"]["name"]: _usage(metric["usage"]) for metric in found}
    for name in _ordered(measured, flags):
        cpu, memory = measured[name]
        has = room.get(name) or {}
        rows.append(
            [
                name,
                _cores(cpu),
                _percent(cpu, has.get("cpu")),
                _bytes(memory),
                _percent(memory, has.get("memory")),
            ]
        )
    if not arguments:
        rows += [
            [name, "<unknown>", "<unknown>", "<unknown>", "<unknown>"]
            for name in sorted(set(room) - set(measured))
        ]
    ColumnWriter().write(rows)
    return 0


def run_pods(session: Session, flags: Values, arguments: list[str]) -> int:
    _check_sort(flags)
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
    totals = {key: _sum(metric) for key, metric in keyed.items()}
    spaces = ["NAMESPACE"] if flags["all-namespaces"] else []
    names = ["POD", "NAME"] if flags["containers"] else ["NAME"]
    rows = [] if flags["no-headers"] else [[*spaces, *names, "CPU(cores)", "MEMORY(bytes)"]]
    for key in _ordered(totals, flags):
        space = [key[0]] if flags["all-namespaces"] else []
        if flags["containers"]:
            for container in sorted(keyed[key].get("containers") or (), key=lambda c: str(c["name"])):
                cpu, memory = _usage(container["usage"])
                rows.append([*space, key[1], container["name"], _cores(cpu), _bytes(memory)])
        else:
            rows.append([*space, key[1], _cores(totals[key][0]), _bytes(totals[key][1])])
    if flags["sum"]:
        blank = [""] * (len(rows[-1]) - 3)
        cpu, memory = (sum((total[i] for total in totals.values()), Decimal(0)) for i in (0, 1))
        rows += [[*blank, "", "________", "________"], [*blank, "", _cores(cpu), _bytes(memory)]]
    ColumnWriter().write(rows)
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


def _check_sort(flags: Values) -> None:
    if flags["sort-by"] not in ("", "cpu", "memory"):
        raise CliError("--sort-by accepts only cpu or memory")


def _ordered(measured: dict[Any, tuple[Decimal, Decimal]], flags: Values) -> list[Any]:
    names = sorted(measured)
    if flags["sort-by"]:
        names.sort(key=lambda name: measured[name][flags["sort-by"] == "memory"], reverse=True)
    return names


def _usage(usage: Object) -> tuple[Decimal, Decimal]:
    return quantity.parse(usage.get("cpu", "0")), quantity.parse(usage.get("memory", "0"))


def _sum(metric: Object) -> tuple[Decimal, Decimal]:
    parts = [_usage(container["usage"]) for container in metric.get("containers") or ()]
    return sum((p[0] for p in parts), Decimal(0)), sum((p[1] for p in parts), Decimal(0))


def _cores(amount: Decimal) -> str:
    return f"{-int(-amount * 1000 // 1)}m"


def _bytes(amount: Decimal) -> str:
    return f"{int(amount) // (1024 * 1024)}Mi"


def _percent(amount: Decimal, whole: str | None) -> str:
    return f"{int(amount * 100 / quantity.parse(whole))}%" if whole else "<unknown>"


_COMMON = (
    Flag("selector", "l", help="Label selector."),
    Flag("sort-by", help="cpu or memory."),
    Flag("no-headers", kind="bool", help="Do not print headers."),
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
