"""What a scheduling cycle decided and why; and a ring of the latest decisions, for `explain`."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pinnace.scheduler.pod_info import PodInfo

NO_NODES = "no nodes available to schedule pods"
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class NodeScoreCard:
    """One of the best nodes: the weighted total, and each plugin's score of 0..100."""

    node: str
    total: int
    scores: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Preemption:
    """`node` and `victims` when it helps, else `message` says why not. `keeps` is true when an earlier nomination stays."""

    node: str = ""
    victims: tuple[PodInfo, ...] = ()
    message: str = ""
    keeps: bool = False
    victim_names: tuple[str, ...] = ()  # for those who only remember

    def remembered(self) -> "Preemption":
        """The same without holding on to the pods."""
        names = tuple(f"{victim.namespace}/{victim.name}" for victim in self.victims)
        return replace(self, victims=(), victim_names=names)


@dataclass(frozen=True, slots=True)
class Outside:
    """What extenders said: the nodes that they let through, why not others, and points to be added to totals."""

    allowed: frozenset[str]
    refused: Mapping[str, tuple[str, bool]]  # node -> (message, whether preemption may help)
    points: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """`node` is "" when the pod fits nowhere; then `message` says so in upstream's words and `plugins` names who refused."""

    namespace: str
    name: str
    node: str
    nodes: int
    feasible: int
    rejected: Mapping[
        str, int
    ]  # plugin -> how many nodes it refused (each node counts for the first that refused)
    best: tuple[NodeScoreCard, ...] = ()
    message: str = ""
    plugins: frozenset[str] = field(default_factory=frozenset)
    preemption: Preemption | None = None  # asked for when the pod fits nowhere
    reasons: tuple["Reason", ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason that nodes gave, how many did, and some of them."""

    text: str
    count: int
    nodes: tuple[str, ...]


def fit_error(total: int, reasons: Iterable[str] | Mapping[str, int], post_filter: str = "") -> str:
    """`0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to deallocate, preemption: ...`

    Reasons are counted, and the counted texts sorted, as upstream's FitError does.
    """
    counts = Counter(reasons)
    message = f"0/{total} nodes are available:"
    if counts:
        message += f" {', '.join(sorted(f'{number} {reason}' for reason, number in counts.items()))}."
    return f"{message} {post_filter}" if post_filter else message


class Record(NamedTuple):
    """A decision, when (in seconds since 1970) and for how long it was made, and which attempt it was."""

    decision: Decision
    profile: str
    at: float
    seconds: float
    attempt: int


class DecisionRing:
    """The latest decision of each of the last few thousand pods."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._records: OrderedDict[tuple[str, str], Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: Record) -> Record:
        """Returns what is remembered: the record without holding on to pods."""
        decision = record.decision
        if decision.preemption is not None and decision.preemption.victims:
            record = record._replace(decision=replace(decision, preemption=decision.preemption.remembered()))
        key = decision.namespace, decision.name
        self._records[key] = record
        self._records.move_to_end(key)
        if len(self._records) > self._size:
            self._records.popitem(last=False)
        return record

    def get(self, namespace: str, name: str) -> Record | None:
        return self._records.get((namespace, name))

    def latest_first(self) -> Iterator[Record]:
        return reversed(self._records.values())
