"""Transactions of the service rules as spans: one for each Service whose rules they brought up to date."""

from collections.abc import Iterable

from pinnace.client.applied_trace import AppliedTrace
from pinnace.component.tracing import Tracer
from pinnace.proxy.table import Key


class RulesTrace(AppliedTrace[Key]):
    def __init__(self, tracer: Tracer, node: str) -> None:
        super().__init__(tracer, "service proxy", "apply rules")
        self._node = node

    def took(self, keys: Iterable[Key], begun: float, lines: int) -> None:
        """The kernel has the rules of these keys; `lines` were changed in one transaction (0: they were as wanted)."""
        together = [key for key in keys if key in self._causes]
        if not lines:
            self.forget(together)
            return
        common = {"node": self._node, "lines": lines, "services": len(together)}
        self.applied(together, begun, lambda key: {"service": f"{key[1]}/{key[2]}", **common})
