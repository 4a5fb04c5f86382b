"""The state of one evaluation."""

from collections.abc import Callable, Mapping
from typing import Any

from pinnace.apimachinery.cel.errors import BudgetExceeded


class Frame:
    """`variables` are those of the environment, `slots` the locals of folds. `cost` grows; `check` ends what is too dear."""

    __slots__ = ("cost", "limit", "slots", "variables")

    def __init__(self, variables: Mapping[str, Any], slots: int, limit: int) -> None:
        self.variables = variables
        self.slots: list[Any] = [None] * slots
        self.cost = 0
        self.limit = limit

    def charge(self, cost: int) -> None:
        self.cost += cost
        if self.cost > self.limit:
            raise BudgetExceeded("operation cancelled: actual cost limit exceeded")


Run = Callable[[Frame], Any]
