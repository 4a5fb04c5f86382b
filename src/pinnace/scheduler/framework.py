"""The plugin contract: a filter answers with a mask, a score with an array, over all nodes at once.

What a plugin reads decides how long its answer is kept for pods of the same demand:
`nodes`: only node specs; kept until a node is added, changed or removed.
`usage`: only the node's own usage (it is given `Usage`, not the table); only rows whose pods changed are asked again.
`pods`: pods of other nodes, or the pod's own labels; asked for every pod.
`applies` false means the plugin has nothing to say about this pod (upstream's Skip).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pinnace.scheduler.columns import Rows, Usage
from pinnace.scheduler.node_table import NodeTable
from pinnace.scheduler.pod_columns import PodQuery, Tally
from pinnace.scheduler.pod_info import AffinityTerm, Demand, PodInfo

__all__ = [
    "MAX_SCORE", "Demand", "Involving", "Mask", "NodeFilter", "NodeScore", "NodeTable", "PodFilter", "PodInfo", "PodScore", "PreFilter", "Refusal",
    "RowFilter", "RowScore", "Rows", "Scores", "Tallies", "Usage", "UsageFilter", "UsageScore", "normalized",
]  # fmt: skip

Mask = NDArray[np.bool_]  # True: the pod may run there
Scores = NDArray[np.int64]
MAX_SCORE = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a plugin refused a node: one or more reasons in upstream's words."""

    reasons: tuple[str, ...]
    preemption_may_help: bool


class _Filter(Protocol):
    name: ClassVar[str]
    requeue_on: ClassVar[tuple[str, ...]]
    """Events after which a pod that this plugin refused is tried again, e.g. `Node/Add`, `Pod/Delete`."""


class NodeFilter(_Filter, Protocol):
    reads: ClassVar[Literal["nodes"]]
    rejection: ClassVar[str]
    preemption_may_help: ClassVar[bool]

    def applies(self, demand: Demand) -> bool: ...
    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask: ...


class UsageFilter(_Filter, Protocol):
    reads: ClassVar[Literal["usage"]]

    def applies(self, demand: Demand) -> bool: ...
    def filter(self, pod: PodInfo, usage: Usage) -> Mask: ...
    def refusals(self, pod: PodInfo, usage: Usage) -> list[Refusal]:
        """One per row of `usage`, all of which were refused."""
        ...


@runtime_checkable
class RowFilter(Protocol):
    """A `UsageFilter` that can also answer for one row in plain numbers, ten times faster than with arrays of one."""

    def fits_row(self, pod: PodInfo, usage: Usage, row: int) -> bool: ...


@runtime_checkable
class RowScore(Protocol):
    """A `UsageScore` that can also answer for one row in plain numbers."""

    def score_row(self, pod: PodInfo, usage: Usage, row: int) -> int: ...


class PodFilter(_Filter, Protocol):
    reads: ClassVar[Literal["pods"]]

    def applies(self, pod: PodInfo, nodes: NodeTable) -> bool: ...
    def filter(self, pod: PodInfo, nodes: NodeTable) -> Mask: ...
    def refusals(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> list[Refusal]: ...


class Tallies(Protocol):
    """Some pods on nodes, counted: those of the node table, or the nominated ones."""

    def tally(self, query: PodQuery) -> Tally: ...
    def carried_for(self, kind: str, pod: PodInfo) -> Iterator[tuple[AffinityTerm, Tally]]: ...


@runtime_checkable
class Involving(Protocol):
    """A `PodFilter` that knows which pods have a part in its answer. The others are asked again whenever a pod comes or goes."""

    def involved(self, pod: PodInfo, nodes: NodeTable, others: Tallies) -> Mask | None:
        """The rows of those among `others` without which the answer might be another one; None: of no pod."""
        ...


class PreFilter(Protocol):
    """Narrows the nodes that are looked at at all; others are refused with `NOT_CANDIDATE`."""

    name: ClassVar[str]

    def candidates(self, demand: Demand) -> frozenset[str] | None:
        """Names of nodes; None: all."""
        ...


class NodeScore(Protocol):
    name: ClassVar[str]
    score_reads: ClassVar[Literal["nodes"]]

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        """False: every node gets the same, skip it."""
        ...

    def score(self, pod: PodInfo, nodes: NodeTable) -> Scores: ...
    def normalize(self, scores: Scores, highest: int) -> Scores:
        """To 0..100, for feasible nodes; `highest` is the highest of their scores."""
        ...


class UsageScore(Protocol):
    """Already within 0..100."""

    name: ClassVar[str]
    score_reads: ClassVar[Literal["usage"]]

    def scores(self, demand: Demand) -> bool: ...
    def score(self, pod: PodInfo, usage: Usage) -> Scores: ...


class PodScore(Protocol):
    name: ClassVar[str]
    score_reads: ClassVar[Literal["pods"]]

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool: ...
    def score(self, pod: PodInfo, nodes: NodeTable, feasible: Mask) -> Scores:
        """Of all rows, within 0..100 where `feasible`; what it says of others does not matter."""
        ...


def normalized(scores: Scores, highest: int, *, reverse: bool = False) -> Scores:
    """Scale so that the highest becomes 100; `reverse`: so that 0 becomes 100 and the highest 0."""
    if highest == 0:
        return np.full_like(scores, MAX_SCORE) if reverse else scores
    scaled = scores * MAX_SCORE // highest
    return MAX_SCORE - scaled if reverse else scaled
