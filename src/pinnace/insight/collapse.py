"""What of many spans is shown, and where a new clock begins. Pure.

Of very many children of one kind the telling ones: the first, those that failed or are slowest, and how many there are besides. What happened
long after everything before it gets a section of its own, with times since its own beginning.
"""

from dataclasses import replace
from typing import NamedTuple

from pinnace.insight.spans import Node, walk

MOST_ALIKE = 6  # children of one kind below one span that are all shown
FIRST = 3  # of more than that: so many of the first, then the slowest, and of those that failed again so many


GAP_SECONDS = 20.0  # in which nothing happened, and after which a section begins


class More(NamedTuple):
    """Stands for children of one kind that are not shown."""

    number: int
    part: str
    name: str
    kind: str
    start: float
    end: float  # of the last of what followed from them
    failed: int
    spans: int  # with all below them

    @property
    def text(self) -> str:
        failed = f", {self.failed} with errors" if self.failed else ""
        return f"... {self.number} more: {self.part}: {self.name} {self.kind}, {self.spans} spans{failed}"


def ended(node: Node) -> float:
    """When the last of what followed from it ended."""
    return max(one.end or one.start for _, one in walk([node]))


def has_failed(node: Node) -> bool:
    return any(one.facts.get("error") for _, one in walk([node]))


def told(children: list[Node], *, is_full: bool = False) -> list[Node | More]:
    """In the order of their beginnings; what stands for the others of a kind comes after its last one."""
    groups: dict[tuple[str, str, str], list[Node]] = {}
    for child in children:
        groups.setdefault((child.part, child.name, child.about.partition("/")[0]), []).append(child)
    chosen: list[Node | More] = []
    for (part, name, kind), group in groups.items():
        if is_full or len(group) <= MOST_ALIKE:
            chosen += group
            continue
        telling = _telling(group)
        left = [one for one in group if one.id not in telling]
        chosen += [one for one in group if one.id in telling]
        chosen.append(_more(left, part, name, kind))
    return sorted(chosen, key=lambda one: one.end if isinstance(one, More) else one.start)


def _telling(group: list[Node]) -> set[str]:
    failed = [one for one in group if has_failed(one)][:FIRST]
    slowest = max(group, key=lambda one: ended(one) - one.start)
    return {one.id for one in (*group[:FIRST], *failed, slowest)}


def _more(left: list[Node], part: str, name: str, kind: str) -> More:
    return More(
        len(left), part, name, kind, min(one.start for one in left), max(map(ended, left)),
        sum(map(has_failed, left)), sum(1 for _ in walk(left)),
    )  # fmt: skip


def sections(roots: list[Node]) -> list[list[Node]]:
    """Trees that belong together in time. A part of a tree that begins long after what it followed from stands alone in a later one."""
    apart: list[Node] = []
    waiting = list(roots)
    while waiting:
        apart.append(_pruned(waiting.pop(0), waiting))
    found: list[list[Node]] = []
    last = 0.0
    for root in sorted(apart, key=lambda one: one.start):
        if not found or root.start - last > GAP_SECONDS:
            found.append([])
        found[-1].append(root)
        last = max(last, ended(root))
    return found


def _pruned(node: Node, later: list[Node]) -> Node:
    """The tree without the branches that begin much later than what is above them was over; these go to `later`."""
    near: list[Node] = []
    last = node.end if node.end is not None else float("inf")
    for child in sorted(node.children, key=lambda one: one.start):
        if child.start - last > GAP_SECONDS:
            later.append(child)
        else:
            pruned = _pruned(child, later)
            near.append(pruned)
            last = max(last, ended(pruned))
    return replace(node, children=near)
