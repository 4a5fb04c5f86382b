"""Recorded spans of several processes put together to trees: what caused what.

A span knows its parent where both were recorded in one process, or where a request carried it. Else the revision because of which it began
ties it to the request that wrote this revision, and failing that the object's uid to the last request before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pinnace.insight.findings import Object
from pinnace.insight.world import KINDS

_SINGULAR = {row.plural: kind.lower() for kind, row in KINDS.items()}
REQUESTS = "apiserver"


@dataclass(slots=True)
class Node:
    """A span and what followed from it. Times are seconds since 1970; `end` is None while it goes on."""

    id: str
    trace: str
    part: str
    name: str
    about: str  # `pod/web`
    uid: str
    start: float
    end: float | None
    facts: dict[str, Any]
    cause: str = ""
    parent: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        return None if self.end is None else max(0.0, self.end - self.start)


def about(span: Object) -> str:
    resource = str(span.get("resource", ""))
    plural = resource.partition(".")[0]
    kind = _SINGULAR.get(plural, plural)
    return f"{kind}/{span['object']}" if span.get("object") else kind


def _node(span: Object) -> Node:
    return Node(
        span["spanID"], span.get("traceID", ""), span.get("part", ""), span.get("name", ""), about(span), span.get("uid", ""),
        float(span["start"]), None if span.get("end") is None else float(span["end"]), dict(span.get("facts") or {}),
        span.get("cause", ""),
    )  # fmt: skip


def trees(spans: Iterable[Object]) -> list[Node]:
    """The roots, in the order in which they began; children too."""
    told = {span["spanID"]: span for span in spans}
    nodes = {key: _node(span) for key, span in told.items()}
    writers = {one.facts["revision"]: one for one in nodes.values() if "revision" in one.facts}
    in_order = sorted(nodes.values(), key=lambda one: one.start)
    for node in in_order:
        above = nodes.get(told[node.id].get("parentSpanID", ""))
        if above is None and node.cause:
            above = writers.get(node.cause) or _last_write_before(node, in_order)
        if above is not None and not _is_below(above, node):
            node.parent = above
            above.children.append(node)
    roots = [node for node in in_order if node.parent is None]
    for root in roots:  # what was joined only now had begun a trace of its own
        for _, node in walk([root]):
            node.trace = root.trace
    return roots


def _last_write_before(node: Node, in_order: list[Node]) -> Node | None:
    """The kubelet may have seen the object only after it changed once more."""
    if not node.uid or node.part == REQUESTS:
        return None
    found = [
        one for one in in_order if one.uid == node.uid and one.part == REQUESTS and one.start <= node.start
    ]
    return found[-1] if found else None


def _is_below(node: Node, other: Node) -> bool:
    """Whether `other` is above `node` or itself: clocks of two machines may make a circle."""
    at: Node | None = node
    while at is not None:
        if at is other:
            return True
        at = at.parent
    return False


def walk(roots: Iterable[Node], depth: int = 0) -> Iterator[tuple[int, Node]]:
    for node in roots:
        yield depth, node
        yield from walk(node.children, depth + 1)
