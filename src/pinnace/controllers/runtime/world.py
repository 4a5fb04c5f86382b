"""The world as a controller sees it in one pass: what the informers hold, the time, and the key's last failure. Read-only."""

from collections.abc import Hashable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PODS, SERVICES
from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.selectors import from_map
from pinnace.client.informer import Lister
from pinnace.component.clock import Clock
from pinnace.controllers.runtime import indexes
from pinnace.controllers.runtime.actions import gvr_of

Memory = MutableMapping[Hashable, tuple[Hashable, datetime]]  # fact -> (value, since when)


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def steady_time(clock: Clock) -> datetime:
    """A time that only says how far apart two moments were: it does not jump when the clock on the wall is set."""
    return _BEGINNING + timedelta(seconds=clock.monotonic())


class World:
    """`now` is for objects, `steady` for what is counted here; `failure` is why this key's last pass failed; None after a pass that succeeded.

    With a clock for `now`, both are read when somebody asks for the first time: most who are told of a change do not.
    """

    def __init__(
        self,
        listers: Mapping[GVR, Lister],
        now: datetime | Clock,
        failure: StatusError | None = None,
        memory: Memory | None = None,
        steady: datetime | None = None,
    ) -> None:
        self._listers = listers
        self._memory: Memory = memory if memory is not None else {}
        self._now, self._steady = now, steady
        self.failure = failure

    @cached_property
    def now(self) -> datetime:
        return self._now if isinstance(self._now, datetime) else self._now.now()

    @cached_property
    def steady(self) -> datetime:
        if self._steady is not None:
            return self._steady
        return self._now if isinstance(self._now, datetime) else steady_time(self._now)

    @classmethod
    def of(
        cls,
        objects: Iterable[Object],
        now: datetime,
        failure: StatusError | None = None,
        memory: Memory | None = None,
        steady: datetime | None = None,
    ) -> "World":
        """A world of just these objects: for tests and for what-if questions."""
        listers: dict[GVR, Lister] = {}
        for obj in objects:
            gvr = gvr_of(obj)
            if gvr not in listers:
                listers[gvr] = Lister()
                indexes.add_to(listers[gvr], gvr)
            listers[gvr].put(obj)
        return cls(listers, now, failure, memory, steady)

    def all(self, gvr: GVR, namespace: str | None = None) -> list[Object]:
        return self._listers[gvr].select(namespace) if gvr in self._listers else []

    def get(self, gvr: GVR, name: str, namespace: str = "") -> Object | None:
        return self._listers[gvr].get(name, namespace) if gvr in self._listers else None

    def by_index(self, gvr: GVR, index: str, key: Hashable) -> list[Object]:
        return self._listers[gvr].by_index(index, key) if gvr in self._listers else []

    def children(self, gvr: GVR, owner: Object) -> list[Object]:
        """Objects whose controller is `owner`, by uid."""
        return self.by_index(gvr, indexes.CONTROLLER, meta.uid(owner))

    def pods_of(self, owner: Object) -> list[Object]:
        return self.children(PODS, owner)

    def orphans(self, gvr: GVR, namespace: str) -> list[Object]:
        """Objects of the namespace that no controller owns."""
        return self.by_index(gvr, indexes.ORPHANS, namespace)

    def pods_on(self, node: str) -> list[Object]:
        return self.by_index(PODS, indexes.NODE, node)

    def pods_labelled(self, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        """Pods that carry all of `labels`, found through the rarest of them."""
        found = [self.by_index(PODS, indexes.LABEL, (namespace, key, value)) for key, value in labels.items()]
        if not found:
            return self.all(PODS, namespace)
        selector = from_map(labels)
        return [pod for pod in min(found, key=len) if selector.matches(meta.labels(pod))]

    def services_selecting(self, pod: Object) -> list[Object]:
        """Services of the pod's namespace whose selector matches the pod's labels."""
        space, labels = meta.namespace(pod), meta.labels(pod)
        candidates = [
            service
            for pair in labels.items()
            for service in self.by_index(SERVICES, indexes.SELECTOR_PAIR, (space, *pair))
        ]
        return [s for s in candidates if from_map(s["spec"]["selector"]).matches(labels)]

    def age(self, fact: Hashable, value: Hashable = True) -> timedelta:
        """For how long `fact` has had this value, as far as this controller has looked: for ages that the API does not record."""
        return self.steady - self.remember(fact, value)

    def remember(self, fact: Hashable, value: Hashable = True) -> datetime:
        """Since when (steady) `fact` has had this value: since now, if it is news."""
        known, since = self._memory.get(fact, (None, self.steady))
        if fact not in self._memory or known != value:
            since = self.steady
            self._memory[fact] = (value, since)
        return since

    def recall(self, fact: Hashable) -> tuple[Any, datetime] | None:
        """(value, since when, steady) of a remembered fact."""
        return self._memory.get(fact)

    def remembers(self, fact: Hashable) -> bool:
        return fact in self._memory

    def forget(self, fact: Hashable) -> Hashable | None:
        """Drop a remembered fact and return its last value."""
        return self._memory.pop(fact, (None, self.steady))[0]
