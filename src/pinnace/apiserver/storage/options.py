"""What a caller may ask of a storage, and what a list answers; the names are those of the API's query parameters."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.scope import Scope

Match = Literal["", "Exact", "NotOlderThan"]


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the stored object, or the write fails with Conflict; "" means no condition."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """`decoded`: the caller will read `Item.obj` (in-process clients), so decoded objects are worth keeping."""

    scope: Scope = field(default_factory=Scope)
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: Match = ""
    decoded: bool = False


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """`send_initial_events` is None when the client did not say; then "" or "0" as resource version implies them."""

    scope: Scope = field(default_factory=Scope)
    resource_version: str = ""
    bookmarks: bool = False
    send_initial_events: bool | None = None
    decoded: bool = False


@dataclass(frozen=True, slots=True)
class ListResult:
    """`continue_token` is "" on the last page; `remaining_item_count` None when it is not known (selectors)."""

    items: list[Item]
    resource_version: str
    continue_token: str = ""
    remaining_item_count: int | None = None

    def joined(self) -> bytes:
        """The items as they stand between the brackets of a JSON array."""
        return b",".join([item.raw for item in self.items])

    def chunks(self, items: int = 256) -> Iterator[bytes]:
        """`joined` in pieces: memory for a piece is used again, that for 80 MB at once is fetched from the system."""
        for begin in range(0, len(self.items), items):
            piece = b",".join([item.raw for item in self.items[begin : begin + items]])
            yield b"," + piece if begin else piece


class Outcome(Enum):
    """What the callback of an update may return instead of an object."""

    DELETE = "delete"  # remove the object: its last finalizer went away
    KEEP = "keep"  # write nothing
