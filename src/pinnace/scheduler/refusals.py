"""Why every node refused a pod: few distinct refusals, one id per row.

The answers of filters that read only nodes and their usage are kept per demand, and only rows whose pods changed are asked
again: a burst of equal pods that fit nowhere costs a few rows each, also with thousands of nodes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pinnace.scheduler.columns import ABSENT, Ids
from pinnace.scheduler.decisions import Reason
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Refusal, Rows
from pinnace.scheduler.profiles import Filter

EXAMPLES = 5  # nodes shown for each reason


@dataclass(slots=True)
class Refusals:
    """`kinds[ids[row]]` is the refusal of a row by the first plugin that refused it; `ids[row]` is ABSENT for rows not refused."""

    ids: Ids
    kinds: list[Refusal] = field(default_factory=list)
    _known: dict[Refusal, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, capacity: int) -> "Refusals":
        return cls(np.full(capacity, ABSENT, np.int32))

    def copy(self) -> "Refusals":
        return Refusals(self.ids.copy(), list(self.kinds), dict(self._known))

    def get(self, row: int) -> Refusal | None:
        return self.kinds[self.ids[row]] if self.ids[row] != ABSENT else None

    def put(self, rows: Rows, refusals: Refusal | Sequence[Refusal]) -> None:
        """One refusal for all rows, or one for each."""
        if isinstance(refusals, Refusal):
            self.ids[rows] = self._id(refusals)
            return
        ids: dict[int, int] = {}  # by identity: plugins use few objects for many rows
        for refusal in refusals:
            if id(refusal) not in ids:
                ids[id(refusal)] = self._id(refusal)
        self.ids[rows] = [ids[id(refusal)] for refusal in refusals]

    def merge(self, rows: Rows, other: "Refusals") -> None:
        """What the other says about these rows, all of which it refused."""
        self.put(rows, [other.kinds[number] for number in other.ids[rows].tolist()])

    def _id(self, refusal: Refusal) -> int:
        if refusal not in self._known:
            self._known[refusal] = len(self.kinds)
            self.kinds.append(refusal)
        return self._known[refusal]

    def helped_by_preemption(self) -> Mask:
        """Rows where taking pods away may make room."""
        helps = np.array([*(kind.preemption_may_help for kind in self.kinds), False], np.bool_)
        return helps[self.ids]

    def reasons(self) -> Counter[str]:
        """Each reason and the number of nodes that gave it."""
        counts = np.bincount(self.ids - ABSENT, minlength=len(self.kinds) + 1).tolist()
        total: Counter[str] = Counter()
        for kind, count in zip(self.kinds, counts[1:], strict=True):
            for reason in kind.reasons if count else ():
                total[reason] += count
        return total

    def examples(self, names: Sequence[str], counts: Mapping[str, int]) -> tuple[Reason, ...]:
        """Each reason with some of the nodes that gave it, the most frequent first. `counts`: see `reasons`."""
        found: dict[str, list[int]] = {}
        for number, kind in enumerate(self.kinds):
            rows = np.flatnonzero(self.ids == number)
            for reason in kind.reasons if len(rows) else ():
                found.setdefault(reason, []).extend(rows[:EXAMPLES].tolist())
        return tuple(
            Reason(text, counts[text], tuple(names[row] for row in sorted(rows)[:EXAMPLES]))
            for text, rows in sorted(found.items(), key=lambda item: (-counts[item[0]], item[0]))
        )


def never_looked_at(plugins: Iterable[str]) -> Refusal:
    """For nodes that prefilters ruled out."""
    return Refusal((f"node(s) didn't satisfy plugin(s) [{' '.join(plugins)}]",), preemption_may_help=False)


def ask_again(
    found: Refusals,
    pod: PodInfo,
    nodes: NodeTable,
    filters: Sequence[tuple[Filter, Mask]],
    remaining: Rows,
) -> None:
    """Put into `found`, for these rows, the first of the filters (each with its mask) that refuses."""
    found.ids[remaining] = ABSENT
    for plugin, mask in filters:
        fits = mask[remaining]
        rows, remaining = remaining[~fits], remaining[fits]
        if not len(rows):
            continue
        if plugin.reads == "nodes":
            found.put(rows, Refusal((plugin.rejection,), plugin.preemption_may_help))
        elif plugin.reads == "usage":
            found.put(rows, plugin.refusals(pod, nodes.usage.at(rows)))
        else:
            found.put(rows, plugin.refusals(pod, nodes, rows))
