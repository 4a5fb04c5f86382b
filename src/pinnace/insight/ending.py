"""Why an object went: who asked for its deletion, and through which owners that reached it."""

from collections.abc import Iterable, Iterator

from pinnace.insight.findings import shown
from pinnace.insight.span_texts import part, sentence, who
from pinnace.insight.span_tree import clock_time
from pinnace.insight.spans import REQUESTS, Node, walk

DELETING = ("delete", "deletecollection")


def why_gone(roots: Iterable[Node], uid: str, about: str) -> list[str]:
    """From the first cause to the request that asked for its end, one line each; empty when nobody asked."""
    first = next((node for node in in_order(roots) if _asks_for_end(node, uid, about)), None)
    return [] if first is None else [_line(node) for node in _up(first)][::-1]


def in_order(roots: Iterable[Node]) -> list[Node]:
    return sorted((node for _, node in walk(roots)), key=lambda node: node.start)


def is_ending(node: Node) -> bool:
    """A request that asks for an object's end."""
    return node.part == REQUESTS and (
        node.name in DELETING or (node.name == "create" and node.facts.get("subresource") == "eviction")
    )


def _asks_for_end(node: Node, uid: str, about: str) -> bool:
    if not is_ending(node) or node.facts.get("error"):
        return False
    return node.uid == uid if node.uid and uid else node.about == about or node.name == "deletecollection"


def _up(node: Node) -> Iterator[Node]:
    """The requests above it; what a controller made of one stands with the request that came of it."""
    at: Node | None = node
    while at is not None:
        if at.part == REQUESTS:
            yield at
            if not is_ending(at):
                return  # what led to this is the story of its life, not of its end
        at = at.parent


def _line(node: Node) -> str:
    above = node.parent
    if not is_ending(node):
        return f"{clock_time(node.start)}  {sentence(node).partition(': ')[2]}"
    what = f"all {node.about}s" if node.name == "deletecollection" else node.about
    by, why = who(node), ""
    if above is not None and above.part != REQUESTS:
        by = part(above)
        why = f": {shown(above.facts['why'])}" if above.facts.get("why") else f", on a look at {above.about}"
    verb = "deleted" if node.name in DELETING else "evicted"
    return f"{clock_time(node.start)}  {by} {verb} {what}{why}"
