"""What watchers receive: one change of one object, encoded in JSON and in protobuf at most once, whoever reads it."""

from typing import Literal

from pinnace.apimachinery.protobuf.codec import encode_event, envelope
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.scope import Scope

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class StorageEvent:
    """`item` is the object after the change (of a deletion: its last state under the revision of the deletion);
    `previous` the one before, None for a creation."""

    __slots__ = ("_entering", "_leaving", "_line", "_message", "item", "previous", "type")

    def __init__(self, kind: EventType, item: Item, previous: Item | None = None) -> None:
        self.type, self.item, self.previous = kind, item, previous
        self._line: bytes | None = None
        self._message: bytes | None = None
        self._entering: StorageEvent | None = None
        self._leaving: StorageEvent | None = None

    @property
    def revision(self) -> int:
        return self.item.revision

    @property
    def line(self) -> bytes:
        """`{"type":...,"object":...}` and a newline, as the JSON watch stream carries it; the same bytes for all."""
        if self._line is None:
            self._line = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.item.raw)
        return self._line

    def message(self, api_version: str, kind: str) -> bytes:
        """The same as a protobuf message, its length not in front of it; the object is of this kind."""
        if self._message is None:
            self._message = encode_event(self.type, envelope(api_version, kind, [self.item.protobuf]))
        return self._message

    def release(self) -> None:
        """Forget the encodings, and the decoded objects that nobody's cache holds; they are made again when somebody asks."""
        self._line = self._message = None
        if self.previous is not None:
            self.previous.release()
        if self.type == "DELETED":
            self.item.release()

    def seen_from(self, scope: Scope) -> "StorageEvent | None":
        """The event as a watcher with this scope sees it: a change may make an object enter or leave the selection."""
        if self.type == "BOOKMARK":
            return self
        was = self.previous is not None and scope.selects(self.previous)
        if self.type == "DELETED":
            return self if was else None
        if scope.selects(self.item):
            return self if was or self.previous is None else self._entered()
        return self._left() if was else None

    def _entered(self) -> "StorageEvent":
        if self._entering is None:
            self._entering = StorageEvent("ADDED", self.item)
        return self._entering

    def _left(self) -> "StorageEvent":
        """Upstream sends the object as it was while it still matched, with the revision of the change."""
        if self._leaving is None and self.previous is not None:
            self._leaving = StorageEvent("DELETED", self.previous.restamped(self.revision), self.previous)
        return self._leaving or self
