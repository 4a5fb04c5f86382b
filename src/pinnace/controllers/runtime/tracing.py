"""Passes over keys as spans: what woke a key, and what the pass wrote. A pass that writes nothing and does not fail leaves no trace."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import BY_GVK
from pinnace.apimachinery.errors import Conflict, NotFound
from pinnace.apimachinery.gvk import GVK, parse_api_version
from pinnace.component.tracing import CURRENT, About, Tracer
from pinnace.controllers.runtime.executor import Outcome

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
MOST_CAUSES = 10_000  # of keys that have not been looked at yet


class PassTrace(Generic[K]):
    """`about` names what a key stands for, where there is no object."""

    def __init__(self, tracer: Tracer, name: str, about: Callable[[K], About]) -> None:
        self._tracer, self._name, self._about = tracer, name, about
        self._causes: dict[K, Object] = {}

    def saw(self, key: K, obj: Object | None) -> None:
        """The key is woken by this object; the latest counts."""
        if obj is not None and (key in self._causes or len(self._causes) < MOST_CAUSES):
            self._causes[key] = obj["metadata"]

    def forget(self, key: K) -> None:
        self._causes.pop(key, None)

    async def of_pass(self, key: K, obj: Object | None, work: Awaitable[T]) -> T:
        woken: Object = self._causes.pop(key, {})
        cause: Object = woken or (obj["metadata"] if obj is not None else {})
        span = self._tracer.begin(
            self._name, "reconcile", self._about(key), cause=cause.get("resourceVersion", "")
        )
        span.uid = meta.uid(obj) if obj is not None else ""
        token = CURRENT.set(span)
        failure: BaseException | None = None
        try:
            outcome = await work
            if isinstance(outcome, Outcome):
                failure = outcome.failure
            return outcome
        except (Conflict, NotFound):
            raise  # no news: it is looked at again, or it is over
        except Exception as error:
            failure = error
            raise
        finally:
            CURRENT.reset(token)
            span.end()
            if failure is not None:
                span.facts = {**(span.facts or {}), "error": str(failure) or type(failure).__name__}
            if span.has_children or failure is not None:
                self._tracer.record(span)


def about_object(obj: Object | None, text: str) -> About:
    """`text` where there is no object any more."""
    if obj is None:
        return About("", "", text)
    kind = obj.get("kind", "")
    row = BY_GVK.get(GVK(*parse_api_version(obj.get("apiVersion", "")), kind))
    return About(row.gvr.qualified if row is not None else kind.lower(), *meta.key(obj))
