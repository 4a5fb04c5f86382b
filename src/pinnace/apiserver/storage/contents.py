"""All current items of one resource: by key, in key order, and by what selectors ask for."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from pinnace.apiserver.storage.index import Index
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.scope import Scope, select


class Contents:
    """`_keys` and `_ordered` run in parallel, so that a list of everything is one copy of a list."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._keys: list[str] = []
        self._ordered: list[Item] = []
        self._index = Index()

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._ordered)

    def reset(self, items: Iterable[Item]) -> None:
        """Hold exactly these, which come in key order."""
        self._ordered = list(items)
        self._keys = [item.key for item in self._ordered]
        self._items = dict(zip(self._keys, self._ordered, strict=True))
        self._index.clear()

    def get(self, key: str) -> Item | None:
        return self._items.get(key)

    def put(self, item: Item) -> Item | None:
        """Add or replace; returns what was there."""
        old = self._items.get(item.key)
        self._items[item.key] = item
        position = bisect_left(self._keys, item.key)
        if old is None:
            self._keys.insert(position, item.key)
            self._ordered.insert(position, item)
        else:
            self._ordered[position] = item
        self._index.replace(old, item)
        return old

    def remove(self, key: str) -> Item | None:
        old = self._items.pop(key, None)
        if old is not None:
            position = bisect_left(self._keys, key)
            del self._keys[position], self._ordered[position]
            self._index.replace(old, None)
        return old

    def find(self, start: str, end: str, scope: Scope) -> list[Item]:
        """The items with keys in `[start, end)` that the scope selects, in key order."""
        first, last = bisect_left(self._keys, start), bisect_left(self._keys, end)
        if scope.has_selectors:
            few = self._index.candidates(scope, self._items)
            if few is not None and len(few) < last - first:
                return select([item for item in few if start <= item.key < end], scope)
        return select(self._ordered[first:last], scope)
