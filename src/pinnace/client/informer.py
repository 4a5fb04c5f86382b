"""Informers: a local, always current, read-only copy of one resource, and callbacks on change.

An informer lists, then watches, and lists again when its resource version expired. Handlers are plain functions called in
the order of events, on the event loop; they must be quick (put a key on a queue). Objects in the copy are never changed.
One that raises is told again, after a growing pause, until it has taken the state that is current then.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pinnace.api import meta
from pinnace.apimachinery.errors import Expired, Gone, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.selectors import EVERYTHING, Selector
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

SHORT_WATCH_SECONDS = (
    1.0  # a watch that ends sooner, with nothing seen, is followed by a pause of this length
)

TELL_AGAIN, LONGEST_PAUSE = 1.0, 60.0  # seconds until a handler that raised is told again, doubling

Handler = Callable[
    [Object | None, Object | None], None
]  # (old, new): added (None, o), changed (o, o), deleted (o, None)
Indexer = Callable[[Object], Iterable[Hashable]]
Key = tuple[str, str]


class Lister:
    """The read side: objects by namespace and name, by selector, by index."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._indexers: dict[str, Indexer] = {}
        self._indexes: dict[str, dict[Hashable, dict[Key, Object]]] = {}
        self.add_index("namespace", lambda obj: (meta.namespace(obj),))

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def get(self, name: str, namespace: str = "") -> Object | None:
        return self._objects.get((namespace, name))

    def select(self, namespace: str | None = None, selector: Selector = EVERYTHING) -> list[Object]:
        found: Iterable[Object] = (
            self._objects.values() if namespace is None else self.by_index("namespace", namespace)
        )
        return (
            list(found)
            if selector.is_everything
            else [obj for obj in found if selector.matches(meta.labels(obj))]
        )

    def add_index(self, name: str, indexer: Indexer) -> None:
        """`indexer` gives the keys under which an object is found by `by_index(name, key)`."""
        if name in self._indexers:
            return
        self._indexers[name], self._indexes[name] = indexer, defaultdict(dict)
        for key, obj in self._objects.items():
            for entry in indexer(obj):
                self._indexes[name][entry][key] = obj

    def by_index(self, name: str, key: Hashable) -> list[Object]:
        return list(self._indexes[name].get(key, {}).values())

    def put(self, obj: Object) -> None:
        """Add or replace one object: for listers that no informer feeds."""
        self._store(meta.key(obj), obj)

    def _store(self, key: Key, new: Object | None) -> Object | None:
        old = self._objects.pop(key, None) if new is None else self._objects.get(key)
        if new is not None:
            self._objects[key] = new
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for entry in indexer(old) if old is not None else ():
                index[entry].pop(key, None)
                if not index[entry]:
                    del index[entry]
            for entry in indexer(new) if new is not None else ():
                index[entry][key] = new  # type: ignore[assignment]
        return old


@dataclass(frozen=True, slots=True)
class _Owed:
    """What a handler raised on: the object as it took it last (None: never), and one that it is to know of."""

    taken: Object | None
    latest: Object


class Informer:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        gvr: GVR,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        self._client, self._clock = client, clock
        self.gvr = gvr
        self._scope: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        self._namespace = namespace
        self._handlers: tuple[Handler, ...] = ()
        self._owed: dict[tuple[Handler, Key], _Owed] = {}
        self._telling: asyncio.Task[None] | None = None
        self._synced = asyncio.Event()
        self.lister = Lister()
        self.resource_version = ""

    def add_handler(self, handler: Handler) -> Callable[[], None]:
        """Call `handler` for every change from now on, and at once for every object already here; returns what removes it."""
        self._handlers += (handler,)
        for key, obj in list(self.lister._objects.items()):
            self._tell(handler, key, None, obj)
        return partial(self._remove_handler, handler)

    def _remove_handler(self, handler: Handler) -> None:
        handlers = list(self._handlers)
        if handler in handlers:
            handlers.remove(handler)
        self._handlers = tuple(handlers)
        for owed in [owed for owed in self._owed if owed[0] == handler]:
            del self._owed[owed]

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def run(self) -> None:
        """Keep the copy current until cancelled."""
        try:
            await self._follow()
        finally:
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None

    async def _follow(self) -> None:
        pause = 0.2
        while True:
            try:
                await self._list()
                pause = 0.2
                while True:
                    begun = self._clock.monotonic()
                    if not await self._watch() and self._clock.monotonic() - begun < SHORT_WATCH_SECONDS:
                        await self._clock.sleep(SHORT_WATCH_SECONDS)  # a server that ends every watch at once
            except asyncio.CancelledError:
                raise
            except (Expired, Gone):
                log.debug("%s: resource version expired, listing again", self.gvr.qualified)
                continue
            except (StatusError, OSError, TimeoutError) as error:
                log.warning("%s: watch failed: %s; next attempt in %.1f s", self.gvr.qualified, error, pause)
            except Exception:
                log.exception("%s: watch failed", self.gvr.qualified)
            await self._clock.sleep(pause)
            pause = min(pause * 2, 15.0)

    async def _list(self) -> None:
        answer = await self._client.list(self.gvr, self._namespace, **self._scope)
        items = {meta.key(item): item for item in answer.get("items") or ()}
        for key in [key for key in self.lister._objects if key not in items]:
            self._change(key, None)
        for key, item in items.items():
            self._change(key, item)
        self.resource_version = answer["metadata"]["resourceVersion"]
        self._synced.set()

    async def _watch(self) -> bool:
        """One watch until the server ends it; another may go on from where it stopped. Whether there was an event."""
        progressed = False
        events = self._client.watch(
            self.gvr, self._namespace, resource_version=self.resource_version, bookmarks=True, **self._scope
        )
        try:
            async for kind, obj in events:
                if kind != "BOOKMARK":
                    self._change(meta.key(obj), None if kind == "DELETED" else obj, last=obj)
                self.resource_version = meta.resource_version(obj)
                progressed = True
        finally:
            await events.aclose()
        return progressed

    def _change(self, key: Key, new: Object | None, last: Object | None = None) -> None:
        old = self.lister._store(key, new)
        if old is None and new is None:
            return
        if old is not None and new is not None and meta.resource_version(old) == meta.resource_version(new):
            return
        before = (last or old) if new is None else old
        for handler in self._handlers:
            self._tell(handler, key, before, new)

    def _tell(self, handler: Handler, key: Key, old: Object | None, new: Object | None) -> None:
        if self._owed and (owed := self._owed.pop((handler, key), None)) is not None:
            old = owed.latest if owed.taken is None and new is None else owed.taken
        try:
            handler(old, new)
        except Exception:
            log.exception("%s: a handler failed on %s", self.gvr.qualified, key)
            latest = new if new is not None else old
            assert latest is not None
            self._owed[handler, key] = _Owed(old, latest)
            if self._telling is None:
                self._telling = asyncio.ensure_future(self._tell_again())

    async def _tell_again(self) -> None:
        pause = TELL_AGAIN
        while self._owed:
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            for handler, key in list(self._owed):
                if (handler, key) in self._owed:
                    self._tell(handler, key, None, self.lister._objects.get(key))
        self._telling = None


@contextmanager
def following(*handlers: tuple[Informer, Handler]) -> Iterator[None]:
    """Within it the handlers hear of changes; afterwards no more, so that whoever is started again hears of them once."""
    with ExitStack() as removers:
        for informer, handler in handlers:
            removers.callback(informer.add_handler(handler))
        yield


class Informers:
    """One informer per resource, shared by all who ask; `run` drives them until cancelled.

    `informers.of(PODS)` may be called before or after `run` has begun.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._informers: dict[GVR, Informer] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[GVR, asyncio.Task[None]] = {}

    def of(self, gvr: GVR) -> Informer:
        if gvr not in self._informers:
            informer = self._informers[gvr] = Informer(self._client, self._clock, gvr)
            self._start(informer)
        return self._informers[gvr]

    def _start(self, informer: Informer) -> None:
        if self._tasks is not None:
            task = self._tasks.create_task(informer.run(), name=f"informer {informer.gvr.qualified}")
            self._running[informer.gvr] = task

    def forget(self, gvr: GVR) -> list[Object]:
        """Stop following a resource that is no more; returns the objects that were known last."""
        informer = self._informers.pop(gvr, None)
        task = self._running.pop(gvr, None)
        if task is not None:
            task.cancel()
        return list(informer.lister) if informer is not None else []

    async def wait_synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for informer in self._informers.values():
                self._start(informer)
            tasks.create_task(self._stay())

    async def _stay(self) -> None:
        await asyncio.Event().wait()
