"""One revision of one object: its bytes as served, and what selectors need to know of it."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pinnace.api import meta
from pinnace.apimachinery.protobuf.codec import encode_message
from pinnace.apiserver.storage import codec
from pinnace.apiserver.storage.encryption import Sealing
from pinnace.apiserver.storage.keys import KeySpace
from pinnace.store.backend import KeyValue

Object = dict[str, Any]
FieldLabels = Callable[[Object], Mapping[str, str]]

DETECT_MUTATION = (
    "PINNACE_DETECT_MUTATION"  # environment: "1" makes caches check that nobody changes their objects
)


class CacheMutated(AssertionError):
    """Somebody changed an object that a cache holds, instead of a copy of it."""


class Item:
    """`raw` is what GET, LIST and WATCH send. `obj` is shared by all readers and must never be changed."""

    __slots__ = ("_obj", "_protobuf", "fields", "key", "labels", "name", "namespace", "raw", "revision")

    def __init__(
        self, key: str, raw: bytes, revision: int, *, namespace: str, name: str, labels: Mapping[str, str],
        fields: Mapping[str, str], obj: Object | None = None,
    ) -> None:  # fmt: skip
        self.key, self.raw, self.revision = key, raw, revision
        self.namespace, self.name, self.labels, self.fields = namespace, name, labels, fields
        self._obj = obj
        self._protobuf: bytes | None = None

    @property
    def obj(self) -> Object:
        """The decoded object: shared, read-only, decoded once."""
        if self._obj is None:
            self._obj = codec.decode(self.raw)
        return self._obj

    @property
    def held(self) -> Object | None:
        """The decoded object if it is at hand."""
        return self._obj

    @property
    def protobuf(self) -> bytes:
        """The object as a protobuf message, encoded when somebody asks and kept; raises ProtobufError."""
        if self._protobuf is None:
            self._protobuf = encode_message(codec.decode(self.raw) if self._obj is None else self._obj)
        return self._protobuf

    def decode(self) -> Object:
        """A private copy, which the caller may change: decoding is five times faster than copying."""
        return codec.decode(self.raw)

    def restamped(self, revision: int, known: Object | None = None) -> "Item":
        """The same object under another resource version: how a deletion is told to watchers. `known`: the object decoded."""
        known = self._obj if known is None else known
        return Item(
            self.key, codec.restamp(self.raw, revision), revision, namespace=self.namespace, name=self.name,
            labels=self.labels, fields=self.fields, obj=None if known is None else codec.restamped(known, revision),
        )  # fmt: skip

    def holding(self, obj: Object) -> "Item":
        """The same item for one reader, with its decoded object."""
        return Item(
            self.key, self.raw, self.revision, namespace=self.namespace, name=self.name, labels=self.labels,
            fields=self.fields, obj=obj,
        )  # fmt: skip

    def release(self) -> None:
        """Forget the decoded object and its protobuf form; they are made again when somebody asks."""
        self._obj = self._protobuf = None

    def check_unchanged(self) -> None:
        if self._obj is not None and orjson.dumps(self._obj) != self.raw:
            raise CacheMutated(f"{self.key} at revision {self.revision} was changed inside a cache")


class _Expected:
    """A context manager; a generator would cost three times as much."""

    __slots__ = ("_obj", "_stored", "_writes")

    def __init__(self, writes: dict[int, tuple[bytes, Object]], stored: bytes, obj: Object) -> None:
        self._writes, self._stored, self._obj = writes, stored, obj

    def __enter__(self) -> None:
        self._writes[id(self._stored)] = self._stored, self._obj

    def __exit__(self, *_: object) -> None:
        self._writes.pop(id(self._stored), None)


class ItemReader:
    """Makes items from what the store holds."""

    def __init__(self, keys: KeySpace, field_labels: FieldLabels, sealing: Sealing | None = None) -> None:
        self._keys, self._field_labels, self._sealing = keys, field_labels, sealing
        self._writes: dict[int, tuple[bytes, Object]] = {}  # by id of the bytes

    @property
    def opens_sealed(self) -> bool:
        return self._sealing is not None

    def expecting(self, stored: bytes, obj: Object) -> "_Expected":
        """While `obj`, laid out for the store, is written: when the very bytes come back as an event they need not be decoded (sealed ones are opened).

        The object becomes the cache's: its author must not change it any more.
        """
        return _Expected(self._writes, stored, obj)

    def __call__(self, kv: KeyValue) -> Item:
        own = self._writes.pop(id(kv.value), None)
        if own is not None and own[0] is kv.value and self._sealing is None:
            served = codec.stamped(own[1], kv.mod_revision)
            return self._item(kv.key, codec.stamp(kv.value, kv.mod_revision), kv.mod_revision, served)
        plain = kv.value if self._sealing is None else self._sealing.open(kv.key, kv.value)
        return self.from_plain(kv.key, plain, kv.mod_revision)

    def from_plain(self, key: str, stored: bytes, revision: int) -> Item:
        raw = codec.stamp(stored, revision)
        return self._item(key, raw, revision, codec.decode(raw))

    def _item(self, key: str, raw: bytes, revision: int, obj: Object) -> Item:
        place = self._keys.split(key)
        return Item(
            key, raw, revision, namespace=place.namespace, name=place.name, labels=meta.labels(obj),
            fields=self._field_labels(obj), obj=obj,
        )  # fmt: skip

    def from_write(self, key: str, stored: bytes, revision: int, obj: Object) -> Item:
        """The item of a write of ours that the cache does not hold (yet, or any more)."""
        return self._item(key, codec.stamp(stored, revision), revision, codec.restamped(obj, revision))


def detects_mutation() -> bool:
    return os.environ.get(DETECT_MUTATION, "") not in ("", "0")
