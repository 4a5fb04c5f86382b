"""Transactions of the service rules as spans: one for each Service whose rules they brought up to date."""

from collections.abc import Iterable

from pinnace.api import meta
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Object
from pinnace.component.tracing import About, Tracer
from pinnace.proxy.table import Key

MOST_CAUSES = 10_000  # that wait for a transaction


class RulesTrace:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._causes: dict[Key, tuple[About, str]] = {}  # what changed last

    def saw(self, key: Key, gvr: GVR, obj: Object | None) -> None:
        if obj is not None and len(self._causes) < MOST_CAUSES:
            self._causes[key] = About(gvr.qualified, *meta.key(obj)), meta.resource_version(obj)

    def applied(self, keys: Iterable[Key], begun: float, lines: int) -> None:
        """The kernel has the rules of these keys; `lines` were changed in one transaction (0: they were as wanted)."""
        together = [key for key in keys if key in self._causes]
        for key in together:
            about, revision = self._causes.pop(key)
            if not lines:
                continue
            span = self._tracer.begin("service proxy", "apply rules", about, cause=revision)
            span.begun = begun
            span.facts = {"service": f"{key[1]}/{key[2]}", "lines": lines, "services": len(together)}
            span.end()
            self._tracer.record(span)
