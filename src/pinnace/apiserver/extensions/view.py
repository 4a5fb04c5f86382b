"""Stored custom objects as one version of their resource shows them: converted, pruned, with defaults.

A `View` turns items of the store into items of its version and remembers them; what needs no change stays the same item, so
that its bytes are shared. `ViewStorage` is the storage that a registry of this version works on: everything in it speaks the
version. Selectable fields are those of the version too: they are computed here, not in the index below.
"""

from collections.abc import Callable, Sequence

import orjson

from pinnace.api.apiextensions import embedded
from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVK, GVR
from pinnace.apimachinery.schema import Schema
from pinnace.apimachinery.structural import defaulting, pruning
from pinnace.apimachinery.structural.node import Structural
from pinnace.apiserver.extensions.conversion import Converter
from pinnace.apiserver.storage import codec
from pinnace.apiserver.storage.contents import Contents
from pinnace.apiserver.storage.continuation import Continuation
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import FieldLabels, Item, Object
from pinnace.apiserver.storage.keys import KeySpace
from pinnace.apiserver.storage.object_storage import Change, Check, ObjectStorage
from pinnace.apiserver.storage.options import ListOptions, ListResult, Outcome, Preconditions, WatchOptions
from pinnace.apiserver.storage.scope import NAME, NAMESPACE, Scope, select
from pinnace.apiserver.storage.watch_cache import WatchCache
from pinnace.apiserver.storage.watchers import ObjectWatch

_SPARE = 256  # items of objects that are gone are remembered up to this number


class View:
    """`schema` is that of `version`; `storage_schema` of the version that objects are written in."""

    def __init__(
        self, gvk: GVK, schema: Structural, stored: GVK, storage_schema: Structural, converter: Converter,
        object_meta: Callable[[], Schema], field_labels: FieldLabels, contents: Contents, *, has_fields: bool,
    ) -> None:  # fmt: skip
        self.gvk, self._schema, self.stored, self._storage_schema = gvk, schema, stored, storage_schema
        self._converter, self._object_meta, self._field_labels = converter, object_meta, field_labels
        self._contents, self._has_fields = contents, has_fields
        self._known: dict[str, Item] = {}  # by key: what was made of `_of[key]`
        self._of: dict[str, Item] = {}

    async def items(self, items: Sequence[Item]) -> list[Item]:
        """In the order given. Raises what the conversion raises."""
        made = {id(item): self._known[item.key] for item in items if self._of.get(item.key) is item}
        missing = [item for item in items if id(item) not in made]
        if missing:
            objects = [item.decode() for item in missing]
            converted = await self._converter.convert(objects, self.gvk)
            for item, original, obj in zip(missing, objects, converted, strict=True):
                made[id(item)] = self._remember(item, self._finished(item, original, obj))
        return [made[id(item)] for item in items]

    async def item(self, item: Item) -> Item:
        return (await self.items([item]))[0]

    def _finished(self, item: Item, original: Object, obj: Object) -> Item:
        """An item of the converted object; the given one when nothing has changed."""
        changed = obj is not original
        if changed:  # in the order that `codec` relies on
            head = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": obj["metadata"]}
            obj = {**head, **obj}
        changed |= defaulting.default(self._schema, obj)
        changed |= bool(embedded.coerce(self._schema, obj, self._object_meta(), drop_wrong=True))
        changed |= bool(pruning.prune(self._schema, obj))
        if not changed and not self._has_fields:
            return item
        raw = orjson.dumps(obj) if changed else item.raw
        labels = obj["metadata"].get("labels") or {}
        return Item(
            item.key, raw, item.revision, namespace=item.namespace, name=item.name, labels=labels,
            fields=self._field_labels(obj),
        )  # fmt: skip

    def _remember(self, item: Item, made: Item) -> Item:
        self._of[item.key], self._known[item.key] = item, made
        if len(self._of) > len(self._contents) + _SPARE:
            for key in [key for key in self._of if self._contents.get(key) is None]:
                del self._of[key], self._known[key]
        return made

    async def shown(self, obj: Object) -> Object:
        """An object of another version in this one: as admission webhooks want to see it."""
        (found,) = await self._converter.convert([obj], self.gvk)
        return found

    async def to_stored(self, obj: Object) -> Object:
        """The object as it is written."""
        (stored,) = await self._converter.convert([obj], self.stored)
        if stored is obj:
            return obj
        pruning.prune(self._storage_schema, stored)
        return stored

    def is_current(self, item: Item) -> bool:
        """Whether the store holds the object in the version that is written now."""
        return bool(orjson.loads(item.raw).get("apiVersion") == self.stored.api_version)

    def bookmark(self, event: StorageEvent) -> StorageEvent:
        obj = orjson.loads(event.item.raw)
        obj["apiVersion"], obj["kind"] = self.gvk.api_version, self.gvk.kind
        item = Item("", codec.dumps(obj), event.revision, namespace="", name="", labels={}, fields={})
        return StorageEvent("BOOKMARK", item)


class ViewStorage(ObjectStorage):
    """The same objects as `base`, seen through a view. Only what callers of a storage use is there."""

    def __init__(self, base: ObjectStorage, view: View, gvr: GVR, keys: KeySpace) -> None:
        self.base, self.view, self.gvr, self.gvk = base, view, gvr, view.gvk
        self._keys = keys
        self._open: set[_ViewWatch] = set()

    @property
    def cache(self) -> WatchCache:  # type: ignore[override]  # the base's
        return self.base.cache

    async def get(self, name: str, namespace: str = "", *, resource_version: str = "") -> Item:
        return await self.view.item(await self.base.get(name, namespace, resource_version=resource_version))

    async def list(self, options: ListOptions | None = None) -> ListResult:
        options = options or ListOptions()
        below, own = _split(options.scope)
        if not own:
            result = await self.base.list(options)
            return await self._seen(result)
        return await self._selected(options, below, own)

    async def _seen(self, result: ListResult) -> ListResult:
        items = await self.view.items(result.items)
        return ListResult(items, result.resource_version, result.continue_token, result.remaining_item_count)

    async def _selected(self, options: ListOptions, below: Scope, own: Scope) -> ListResult:
        """Fields that only the version knows: pages of the base, until enough of them match."""
        found: list[Item] = []
        token = options.continue_token
        while True:
            page = await self.base.list(
                ListOptions(
                    below, options.limit, token, options.resource_version, options.resource_version_match
                )
            )
            found += select(await self.view.items(page.items), own)
            token = page.continue_token
            if not token or (options.limit and len(found) >= options.limit):
                break
            options = ListOptions(options.scope, options.limit, token)
        if not options.limit or len(found) <= options.limit:
            return ListResult(
                found, page.resource_version, token if options.limit and len(found) >= options.limit else ""
            )
        kept = found[: options.limit]
        start = kept[-1].key[len(self._keys.prefix) :] + "\0"
        return ListResult(
            kept, page.resource_version, Continuation(int(page.resource_version), start).encode()
        )

    async def create(self, obj: Object) -> Item:
        return await self.view.item(await self.base.create(await self.view.to_stored(obj)))

    async def update(
        self, name: str, namespace: str, change: Change, *, preconditions: Preconditions | None = None
    ) -> Item:
        deleted: Item | None = None

        async def changed(item: Item) -> Object | Outcome:
            nonlocal deleted
            seen = await self.view.item(item)
            wanted = await change(seen)
            deleted = seen if wanted is Outcome.DELETE else None
            if wanted is Outcome.KEEP and not self.view.is_current(item):
                wanted = (
                    seen.decode()
                )  # an update that changes nothing still brings the object to the storage version
            return wanted if isinstance(wanted, Outcome) else await self.view.to_stored(wanted)

        item = await self.base.update(name, namespace, changed, preconditions=preconditions)
        if deleted is not None:  # its last state is known; it is not to be converted any more
            return deleted.restamped(item.revision)
        return await self.view.item(item)

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        preconditions: Preconditions | None = None,
        check: Check | None = None,
    ) -> Item:
        item = await self.base.delete(name, namespace, preconditions=preconditions, check=check)
        return await self.view.item(item)

    async def watch(self, options: WatchOptions | None = None) -> ObjectWatch:
        options = options or WatchOptions()
        below, own = _split(options.scope)
        watch = await self.base.watch(
            WatchOptions(
                below,
                options.resource_version,
                options.bookmarks,
                options.send_initial_events,
                options.decoded,
            )
        )
        seen = _ViewWatch(watch, self.view, own, self._open.discard)
        self._open.add(seen)
        return seen

    def end_watches(self) -> None:
        """The version is not served any more, or not as it was."""
        for watch in list(self._open):
            watch.end()


def _split(scope: Scope) -> tuple[Scope, Scope | None]:
    """What the storage below can select by, and what only the view can."""
    own = tuple(field for field in scope.fields if field.path not in (NAME, NAMESPACE))
    if not own:
        return scope, None
    rest = tuple(field for field in scope.fields if field.path in (NAME, NAMESPACE))
    return Scope(scope.namespace, scope.labels, rest), Scope(fields=own)


class _ViewWatch(ObjectWatch):
    """The events of another watch, seen through a view."""

    def __init__(
        self, base: ObjectWatch, view: View, own: Scope | None, on_close: Callable[["_ViewWatch"], None]
    ) -> None:
        super().__init__(base.scope, bookmarks=base.bookmarks, on_close=lambda _: on_close(self))
        self._base, self._view, self._own = base, view, own

    def end(self, error: StatusError | None = None) -> None:
        self._base.end(error)

    def close(self) -> None:
        self._base.close()
        self._on_close(self)

    async def __anext__(self) -> Sequence[StorageEvent]:
        while True:
            events = await self._seen(await self._base.__anext__())
            if events:
                return events

    async def _seen(self, batch: Sequence[StorageEvent]) -> list[StorageEvent]:
        wanted = [event.item for event in batch if event.type not in ("BOOKMARK", "DELETED")]
        gone = [event.item for event in batch if event.type == "DELETED"]
        made = dict(zip(map(id, wanted), await self._view.items(wanted), strict=True))
        made |= dict(zip(map(id, gone), await self._view.items(gone), strict=True))
        before: dict[int, Item] = {}
        if self._own is not None:
            previous = [event.previous for event in batch if event.previous is not None]
            before = dict(zip(map(id, previous), await self._view.items(previous), strict=True))
        return [seen for event in batch if (seen := self._one(event, made, before)) is not None]

    def _one(
        self, event: StorageEvent, made: dict[int, Item], before: dict[int, Item]
    ) -> StorageEvent | None:
        if event.type == "BOOKMARK":
            return self._view.bookmark(event)
        item = made[id(event.item)]
        if self._own is None:
            return event if item is event.item else StorageEvent(event.type, item, event.previous)
        previous = before.get(id(event.previous)) if event.previous is not None else None
        return StorageEvent(event.type, item, previous).seen_from(self._own)
