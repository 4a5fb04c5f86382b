"""Passes over keys as spans: what woke a key, and what the pass wrote. A pass that writes nothing and does not fail leaves no trace."""

from collections.abc import Awaitable

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.component.tracing import CURRENT, About, Tracer
from pinnace.controllers.runtime.controller import Controller
from pinnace.controllers.runtime.executor import Outcome

Key = tuple[str, str]
MOST_CAUSES = 10_000  # of keys that have not been looked at yet


class PassTrace:
    def __init__(self, tracer: Tracer, controller: Controller) -> None:
        self._tracer, self._controller = tracer, controller
        self._causes: dict[Key, Object] = {}

    def saw(self, key: Key, obj: Object | None) -> None:
        """The key is woken by this object; the latest counts."""
        if obj is not None and (key in self._causes or len(self._causes) < MOST_CAUSES):
            self._causes[key] = obj["metadata"]

    def forget(self, key: Key) -> None:
        self._causes.pop(key, None)

    async def of_pass(self, key: Key, obj: Object | None, work: Awaitable[Outcome]) -> Outcome:
        controller = self._controller
        woken: Object = self._causes.pop(key, {})
        cause: Object = woken or (obj["metadata"] if obj is not None else {})
        about = About(controller.primary.qualified, *key)
        span = self._tracer.begin(controller.name, "reconcile", about, cause=cause.get("resourceVersion", ""))
        span.uid = meta.uid(obj) if obj is not None else ""
        token = CURRENT.set(span)
        outcome = None
        try:
            outcome = await work
            return outcome
        finally:
            CURRENT.reset(token)
            span.end()
            failure = outcome.failure if outcome is not None else None
            if failure is not None:
                span.facts = {"error": str(failure)}
            if span.has_children or failure is not None:
                self._tracer.record(span)
