"""The contents of the kernel's table as data, and what of it changed since it was last written. Pure.

An entry is a set, a chain, or one element of a set or of a verdict map; names are without the family of addresses,
which the rendering adds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pinnace.netpolicy.model import Key
from pinnace.netpolicy.ranges import Range

Kind = Literal["addresses", "ports"]  # what a set is of: addresses, or pairs of address and port
ADDRESSES: Kind = "addresses"
PORTS: Kind = "ports"


@dataclass(frozen=True, slots=True)
class SetOf:
    name: str


@dataclass(frozen=True, slots=True)
class Element:
    """`port` 0 in a set of addresses."""

    set_name: str
    ip: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class PolicyChain:
    """The rules of one policy in one direction; who matches one is accepted."""

    direction: str
    policy: Key


@dataclass(frozen=True, slots=True)
class ProfileChain:
    """All policies that hold for a pod in one direction, one after the other; who passes none is dropped. Pods share it."""

    direction: str
    policies: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The entry of a pod of this node in the map of a direction; its value is a ProfileChain."""

    direction: str
    ip: str


@dataclass(frozen=True, slots=True)
class Isolated:
    """A pod of this node that some policy restricts, in whichever direction."""

    ip: str


@dataclass(frozen=True, slots=True)
class Match:
    """A connection is accepted when everything that is said here holds."""

    peers: str = ""  # the set that has the other end's address
    blocks: tuple[Range, ...] = ()  # ranges of which one has the other end's address
    protocol: str = ""  # tcp | udp | sctp
    ports: tuple[tuple[int, int], ...] = ()  # ranges of which one has the destination's port
    named: str = ""  # the set that has the destination's address and port


Entry = SetOf | Element | PolicyChain | ProfileChain | Verdict | Isolated
Value = Kind | tuple[Match, ...] | ProfileChain | bool
Changes = dict[Entry, tuple[Value | None, Value | None]]  # (before, now); None: not there


class Table:
    def __init__(self) -> None:
        self.entries: dict[Entry, Value] = {}
        self._before: dict[Entry, Value | None] = {}

    def put(self, entry: Entry, value: Value = True) -> None:
        self._before.setdefault(entry, self.entries.get(entry))
        self.entries[entry] = value

    def drop(self, entry: Entry) -> None:
        if entry in self.entries:
            self._before.setdefault(entry, self.entries[entry])
            del self.entries[entry]

    @property
    def has_changes(self) -> bool:
        return any(before != self.entries.get(entry) for entry, before in self._before.items())

    def take_changes(self) -> Changes:
        """What differs from the last time."""
        touched, self._before = self._before, {}
        return {
            entry: (before, self.entries.get(entry))
            for entry, before in touched.items()
            if before != self.entries.get(entry)
        }

    def everything(self) -> Changes:
        """As changes of an empty table."""
        self._before = {}
        return {entry: (None, value) for entry, value in self.entries.items()}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)
