"""What a part brings up to date in one go, as spans: one for each object that had changed since. For parts that write no objects themselves."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.gvk import GVR
from pinnace.component.tracing import About, Tracer

K = TypeVar("K")
MOST_CAUSES = 10_000  # that wait for being applied


class AppliedTrace(Generic[K]):
    """`name`: what is done, as it is called in a trace."""

    def __init__(self, tracer: Tracer, part: str, name: str) -> None:
        self._tracer, self._part, self._name = tracer, part, name
        self._causes: dict[
            K, tuple[About, str, str, float]
        ] = {}  # what changed last, with uid, revision, and when

    def saw(self, key: K, gvr: GVR, obj: Object | None) -> None:
        if obj is not None and len(self._causes) < MOST_CAUSES:
            about = About(gvr.qualified, *meta.key(obj))
            self._causes[key] = about, meta.uid(obj), meta.resource_version(obj), self._tracer.now()

    @property
    def waiting(self) -> list[K]:
        return list(self._causes)

    def applied(self, keys: Iterable[K], begun: float, facts: Callable[[K], dict[str, Any]]) -> None:
        """What the changes behind these keys asked for is done."""
        for key in keys:
            if key not in self._causes:
                continue
            about, uid, revision, seen = self._causes.pop(key)
            span = self._tracer.begin(self._part, self._name, about, cause=revision)
            span.begun, span.uid, span.facts = max(begun, seen), uid, facts(key)
            span.end()
            self._tracer.record(span)

    def forget(self, keys: Iterable[K]) -> None:
        """These asked for nothing."""
        for key in keys:
            self._causes.pop(key, None)
