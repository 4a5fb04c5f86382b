"""Whether this node takes a pod that was bound to it: the same checks as the scheduler's, for those who set nodeName. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from pinnace.api.core import node_affinity, pod_resources, pods
from pinnace.api.meta import Object

Refusal = tuple[str, str]  # reason, message


def refusal(
    pod: Object, node: Object, others: Iterable[Object], allocatable: Mapping[str, Decimal]
) -> Refusal | None:
    """`others` are the pods that this node runs already."""
    if (pod["spec"].get("os") or {}).get("name", "linux") != "linux":
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    if not node_affinity.matches(pod, node):
        return (
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    running = [other for other in others if pods.is_active(other)]
    if len(running) + 1 > allocatable["pods"]:
        return "OutOfpods", _shortage("pods", Decimal(1), Decimal(len(running)), allocatable["pods"])
    asked = pod_resources.requests(pod)
    for name, amount in asked.items():
        if not amount:
            continue
        used = sum((pod_resources.requests(other).get(name, Decimal(0)) for other in running), Decimal(0))
        available = allocatable.get(name, Decimal(0))
        if used + amount > available:
            return f"OutOf{name}", _shortage(name, amount, used, available)
    return None


def _shortage(name: str, requested: Decimal, used: Decimal, capacity: Decimal) -> str:
    """Upstream counts cpu in thousandths here."""
    scale = 1000 if name == "cpu" else 1
    figures = (int(amount * scale) for amount in (requested, used, capacity))
    asked, taken, whole = figures
    return f"Node didn't have enough resource: {name}, requested: {asked}, used: {taken}, capacity: {whole}"
