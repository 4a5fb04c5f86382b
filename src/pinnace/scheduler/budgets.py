"""PodDisruptionBudgets as preemption sees them: who would be evicted against a budget's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.apimachinery.selectors import Selector, from_label_selector
from pinnace.scheduler.pod_info import PodInfo

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Budget:
    selector: Selector
    allowed: int
    disrupted: frozenset[str]  # names of pods whose eviction the API server has granted already


class Budgets:
    """All budgets; `version` moves with every change."""

    def __init__(self) -> None:
        self.version = 0
        self._of: dict[str, dict[str, Budget]] = {}

    def put(self, budget: Object) -> None:
        selector, status = (budget.get("spec") or {}).get("selector"), budget.get("status") or {}
        self.version += 1
        self._of.setdefault(meta.namespace(budget), {})[meta.name(budget)] = Budget(
            from_label_selector(selector or {}),
            status.get("disruptionsAllowed") or 0,
            frozenset(status.get("disruptedPods") or ()),
        )

    def remove(self, budget: Object) -> None:
        self.version += 1
        self._of.get(meta.namespace(budget), {}).pop(meta.name(budget), None)

    def on_change(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.put(new)
        elif old is not None:
            self.remove(old)

    def violating(self, pods: Sequence[PodInfo]) -> set[str]:
        """uids of the pods that cannot all be evicted in this order without breaking a budget."""
        found: set[str] = set()
        if not self._of:
            return found
        left: dict[tuple[str, str], int] = {}
        for pod in pods:
            for name, budget in self._of.get(pod.namespace, {}).items() if pod.labels else ():
                if (
                    budget.selector.is_everything
                    or not budget.selector.matches(pod.labels)
                    or pod.name in budget.disrupted
                ):
                    continue
                key = pod.namespace, name
                left[key] = left.get(key, budget.allowed) - 1
                if left[key] < 0:
                    found.add(pod.uid)
        return found
