"""Two counts of pods read as one: of the pods on nodes, and of those that are nominated to them.

Both are kept current by themselves, so that a decision beside thousands of nominated pods costs an addition and not thousands.
"""

from pinnace.scheduler.pod_columns import DomainSums, Tally


class BothTallies(Tally):
    __slots__ = ("first", "second")

    def __init__(self, first: Tally, second: Tally) -> None:
        self.first, self.second = first, second
        self.rows = first.rows + second.rows
        self.total = first.total + second.total


class BothSums(DomainSums):
    """Over the same nodes and the same values of one label."""

    __slots__ = ()

    def __init__(self, first: DomainSums, second: DomainSums) -> None:
        self.ids, self.values = first.ids, first.values + second.values
        self._counted, self._present, self._everywhere = first._counted, first._present, first._everywhere
