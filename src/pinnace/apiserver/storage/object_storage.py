"""One resource's objects in the store: get, list, create, guaranteed update, delete, watch.

Reads come from the watch cache; writes go to the store, guarded by the revision that was read, and come back to the
cache as events before the caller resumes. Whoever calls this (the registry) has decoded, defaulted and validated.
All methods raise only `pinnace.apimachinery.errors.StatusError`s.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVK, GVR
from pinnace.apiserver.storage import codec
from pinnace.apiserver.storage.encryption import Sealing
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import FieldLabels, Item, ItemReader, Object
from pinnace.apiserver.storage.keys import KeySpace
from pinnace.apiserver.storage.measured import MeasuredBackend
from pinnace.apiserver.storage.options import ListOptions, ListResult, Outcome, Preconditions, WatchOptions
from pinnace.apiserver.storage.reading import Reading, parse_revision
from pinnace.apiserver.storage.translation import api_errors
from pinnace.apiserver.storage.watch_cache import WatchCache
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.component.clock import Clock
from pinnace.component.tracing import CURRENT
from pinnace.store.backend import Backend, RevisionMismatch, prefix_end

Change = Callable[[Item], Awaitable[Object | Outcome]]
Check = Callable[[Item], Awaitable[None]]

MAX_STORED = 3 * 512 * 1024  # bytes of one object, as etcd's limit of a request
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class ObjectStorage:
    """`field_labels(obj)` gives the selectable fields of an object, `metadata.name` and `metadata.namespace` included."""

    def __init__(
        self, backend: Backend, clock: Clock, *, gvr: GVR, kind: str, namespaced: bool, field_labels: FieldLabels,
        storage_name: str = "", sealing: Sealing | None = None,
    ) -> None:  # fmt: skip
        self._clock = clock
        self.gvr, self.gvk = gvr, GVK(gvr.group, gvr.version, kind)
        backend = self._backend = self.calls = MeasuredBackend(backend, clock)
        self._keys = KeySpace.of(storage_name or gvr.qualified, namespaced=namespaced)
        self._sealing = sealing
        self._read_item = ItemReader(self._keys, field_labels, sealing)
        self.cache = WatchCache(backend, self._keys.prefix, self._read_item, clock)
        self.reading = self._reading = Reading(backend, self._keys, self.cache, self._read_item, clock)

    def key_of(self, name: str, namespace: str) -> str:
        return self._keys.key(name, namespace)

    # reading

    async def get(self, name: str, namespace: str = "", *, resource_version: str = "") -> Item:
        """The object; `resource_version` as in the API: "" the newest, "0" what the cache has. Raises NotFound."""
        if resource_version or not self.cache.is_current:
            with api_errors(self.gvr, name):
                await self._reading.not_older_than(resource_version)
        item = self.cache.contents.get(self._keys.key(name, namespace))
        if item is None:
            raise errors.not_found(self.gvr.resource, name, self.gvr.group)
        return item

    def cached(self, name: str, namespace: str = "") -> Item | None:
        """What the cache has now, which may be behind the store; the cache must have been loaded."""
        return self.cache.contents.get(self._keys.key(name, namespace))

    async def list(self, options: ListOptions | None = None) -> ListResult:
        """Items in key order; nothing is decoded or encoded. Raises Expired for a revision or token that is too old."""
        options = options or ListOptions()
        self.cache.keeps_objects |= options.decoded  # before the cache is loaded: then they are decoded once
        with api_errors(self.gvr):
            return await self._reading.answer(options)

    async def is_empty(self) -> bool:
        """Whether there is no object at all: what plugins ask before anything dearer."""
        if not self.cache.revision:  # not loaded yet, or its subscription broke
            with api_errors(self.gvr):
                await self.cache.load()
        return not len(self.cache.contents)

    def glimpse(self, name: str, namespace: str = "") -> Object | None:
        """What the cache holds just now, perhaps nothing: shared, read-only and no more than a hint."""
        item = self.cache.contents.get(self._keys.key(name, namespace))
        return None if item is None else item.obj

    @property
    def changed_at(self) -> int:
        """The newest revision that changed anything here, as far as the cache has seen: what was derived at it holds until it moves."""
        return self.cache.changed_at

    # writing

    async def create(self, obj: Object) -> Item:
        """Store a new object, which must have its name and, if the resource has namespaces, its namespace."""
        metadata = obj["metadata"]
        name = metadata["name"]
        key = self._keys.key(name, metadata.get("namespace", ""))
        with api_errors(self.gvr, name):
            await self.cache.load()
            laid_out, stored = _encoded(obj)
            sealed = self._sealed(key, stored)
            with self._read_item.expecting(stored, laid_out):
                begun = self._clock.monotonic()
                revision = await self._backend.create(key, sealed)
        if (span := CURRENT.get()) is not None and span.is_request:
            uid, namespace = metadata.get("uid", ""), metadata.get("namespace", "")
            span.wrote(self.gvr, namespace, name, uid, revision, begun)
        return self._written(key, stored, revision, obj)

    async def update(
        self, name: str, namespace: str, change: Change, *, preconditions: Preconditions | None = None
    ) -> Item:
        """Guaranteed update: `change` gets the current item and returns the whole new object, or an `Outcome`.

        It is called again with the newer item whenever another write came in between, so it must depend on nothing but
        its argument; what it raises ends the update. An object whose bytes do not change is not written.
        """
        item = await self.get(name, namespace)
        while True:
            self._check_update(item, preconditions)
            wanted = await change(item)
            if wanted is Outcome.KEEP:
                if not self._is_stale(item):
                    return item
                wanted = item.obj  # written again with the first key
            try:
                if wanted is Outcome.DELETE:
                    return await self._remove(item)
                return await self._replace(item, wanted)
            except RevisionMismatch as conflict:
                item = self._read_item(conflict.current)

    async def _replace(self, item: Item, wanted: Object | Outcome) -> Item:
        assert isinstance(wanted, dict)
        laid_out, stored = _encoded(wanted)
        if stored == codec.unstamp(item.raw) and not self._is_stale(item):
            return item
        sealed = self._sealed(item.key, stored)
        with self._read_item.expecting(stored, laid_out):
            begun = self._clock.monotonic()
            revision = await self._guarded(
                item, partial(self._backend.update, item.key, sealed, item.revision)
            )
        if (span := CURRENT.get()) is not None and span.is_request:
            uid = wanted["metadata"].get("uid", "")
            span.wrote(self.gvr, item.namespace, item.name, uid, revision, begun)
        return self._written(item.key, stored, revision, wanted)

    def _sealed(self, key: str, stored: bytes) -> bytes:
        return stored if self._sealing is None else self._sealing.seal(key, stored)

    def _is_stale(self, item: Item) -> bool:
        return self._sealing is not None and self._sealing.is_stale(item.key)

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        preconditions: Preconditions | None = None,
        check: Check | None = None,
    ) -> Item:
        """Remove the object and return its last state under the revision of the deletion.

        `check` sees the item that is about to go, as often as it changes in between, and may raise.
        """
        item = await self.get(name, namespace)
        while True:
            self._check_delete(item, preconditions)
            if check is not None:
                await check(item)
            try:
                return await self._remove(item)
            except RevisionMismatch as conflict:
                item = self._read_item(conflict.current)

    async def _remove(self, item: Item) -> Item:
        known = item.held  # the cache forgets it with the deletion
        begun = self._clock.monotonic()
        revision = await self._guarded(item, partial(self._backend.delete, item.key, item.revision))
        if (span := CURRENT.get()) is not None and span.is_request:
            span.wrote(self.gvr, item.namespace, item.name, self._uid(item), revision, begun)
        return item.restamped(revision, known)

    async def _guarded(self, item: Item, write: Callable[[], Awaitable[int]]) -> int:
        """Translate the store's errors, except the one that means: try again."""
        with api_errors(self.gvr, item.name):
            try:
                return await write()
            except RevisionMismatch as conflict:
                mismatch = conflict
        raise mismatch

    def _written(self, key: str, stored: bytes, revision: int, obj: Object) -> Item:
        """The item of a write: the cache's own unless a later write has replaced it or a remote store is behind."""
        item = self.cache.contents.get(key)
        if item is None or item.revision != revision:
            return self._read_item.from_write(key, stored, revision, obj)
        return item if item.held is not None else item.holding(codec.restamped(obj, revision))

    def _check_delete(self, item: Item, wanted: Preconditions | None) -> None:
        if wanted is None:
            return
        uid = self._uid(item) if wanted.uid else ""
        if wanted.uid != uid:
            why = (
                f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({uid}). "
                "The object might have been deleted and then recreated"
            )
            raise errors.conflict(self.gvr.resource, item.name, why, self.gvr.group)
        if wanted.resource_version not in ("", str(item.revision)):
            why = (
                f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the "
                f"ResourceVersion in record ({item.revision}). The object might have been modified"
            )
            raise errors.conflict(self.gvr.resource, item.name, why, self.gvr.group)

    def _check_update(self, item: Item, wanted: Preconditions | None) -> None:
        if wanted is None:
            return
        uid = self._uid(item) if wanted.uid else ""
        if wanted.uid != uid:
            why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {uid}"
            raise errors.conflict(self.gvr.resource, item.name, why, self.gvr.group)
        if wanted.resource_version not in ("", str(item.revision)):
            raise errors.conflict(self.gvr.resource, item.name, errors.OBJECT_MODIFIED, self.gvr.group)

    def _uid(self, item: Item) -> str:
        return item.obj["metadata"].get("uid", "")

    # watching

    async def watch(self, options: WatchOptions | None = None) -> ObjectWatch:
        """Events after `options.resource_version`, without a gap; close the watch when done with it.

        Without a version, with "0", or with `send_initial_events`, the current objects come first as ADDED; in the last
        case followed by a bookmark that carries the annotation `k8s.io/initial-events-end`.
        Raises Expired when the version is older than what is kept.
        """
        options = options or WatchOptions()
        since = parse_revision(options.resource_version)
        with api_errors(self.gvr):
            await self._reading.not_older_than(options.resource_version)
        self.cache.keeps_objects |= options.decoded
        watch = ObjectWatch(options.scope, bookmarks=options.bookmarks, on_close=self.cache.watchers.remove)
        if options.send_initial_events or (options.send_initial_events is None and not since):
            watch.begin_with(self._initial_events(options))
        else:
            watch.begin_with(self._missed_events(since, options))
        self.cache.watchers.add(watch)
        return watch

    def _initial_events(self, options: WatchOptions) -> Iterator[StorageEvent]:
        """The snapshot is taken now; its events are made one by one as they are read."""
        scope = options.scope
        within = self._keys.scope(scope.namespace)
        items = self.cache.contents.find(within, prefix_end(within), scope)
        bookmark = options.send_initial_events and options.bookmarks
        end = self.bookmark(self.cache.revision, initial_events_end=True) if bookmark else None

        def events() -> Iterator[StorageEvent]:
            for item in items:
                yield StorageEvent("ADDED", item)
            if end is not None:
                yield end

        return events()

    def _missed_events(self, since: int, options: WatchOptions) -> Iterator[StorageEvent]:
        since = since or self.cache.revision
        if since < self.cache.history.floor:
            raise errors.Expired(f"too old resource version: {since} ({self.cache.history.floor})")
        missed = self.cache.history.after(since)
        return iter([seen for event in missed if (seen := event.seen_from(options.scope)) is not None])

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> StorageEvent:
        metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj = {"kind": self.gvk.kind, "apiVersion": self.gvk.api_version, "metadata": metadata}
        item = Item("", codec.dumps(obj), revision, namespace="", name="", labels={}, fields={})
        return StorageEvent("BOOKMARK", item)

    def send_bookmarks(self) -> None:
        """Tell the watchers that asked for it how far they have seen; `Storages.run` calls this once a minute."""
        if len(self.cache.watchers):
            self.cache.watchers.bookmark(self.bookmark(self.cache.revision))


def _encoded(obj: Object) -> tuple[Object, bytes]:
    """As it is laid out in the store, and as bytes. Many small patches must not make what no list, watch or other store could take."""
    laid_out = codec.laid_out(obj)
    stored = codec.dumps(laid_out)
    if len(stored) > MAX_STORED:
        raise errors.RequestEntityTooLarge(f"etcdserver: request is too large: limit is {MAX_STORED}")
    return laid_out, stored
