"""What the kernel tells about links and routes, so that nothing asks it again and again."""

import contextlib
import socket
import struct
from collections.abc import Callable

from pinnace.component.netlink import Listener

ROUTE = getattr(socket, "NETLINK_ROUTE", 0)
GROUP_LINK, GROUP_IPV4_ROUTE, GROUP_IPV4_ADDRESS = 0x1, 0x40, 0x10
GROUP_IPV6_ADDRESS, GROUP_IPV6_ROUTE = 0x100, 0x400
NEW_LINK, DELETE_LINK, NEW_ADDRESS, DELETE_ADDRESS, DELETE_ROUTE = 16, 17, 20, 21, 25
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
ROUTE_MESSAGE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: ..., table, protocol, scope, type, flags
ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index


class RouteEvents:
    """Calls `changed` when a watched link changes, an address comes to or leaves one, or a route of this protocol goes."""

    def __init__(self, protocol: int, changed: Callable[[], None], *, has_ipv6: bool = False) -> None:
        self._protocol, self._changed = protocol, changed
        self._links: set[int] = set()
        self._flags: dict[int, int] = {}
        groups = GROUP_LINK | GROUP_IPV4_ROUTE | GROUP_IPV4_ADDRESS
        if has_ipv6:
            groups |= GROUP_IPV6_ROUTE | GROUP_IPV6_ADDRESS
        self._listener = Listener(ROUTE, groups, self._hear, lost=changed)

    def watch_links(self, indexes: set[int]) -> None:
        self._links = indexes
        self._flags = {index: flags for index, flags in self._flags.items() if index in indexes}

    def listening(self) -> contextlib.AbstractContextManager[None]:
        """Raises OSError."""
        return self._listener.listening()

    def _hear(self, kind: int, body: bytes) -> None:
        if self.concerns(kind, body):
            self._changed()

    def concerns(self, kind: int, body: bytes) -> bool:
        """Whether a message is about what is watched; remembers the links' flags, of which the kernel repeats much."""
        if kind == DELETE_ROUTE and len(body) >= ROUTE_MESSAGE.size:
            return ROUTE_MESSAGE.unpack_from(body)[5] == self._protocol
        if kind in (NEW_ADDRESS, DELETE_ADDRESS) and len(body) >= ADDRESS.size:
            return ADDRESS.unpack_from(body)[4] in self._links
        if kind in (NEW_LINK, DELETE_LINK) and len(body) >= LINK.size:
            _, _, index, flags, _ = LINK.unpack_from(body)
            if index not in self._links:
                return False
            before = self._flags.get(index)
            self._flags[index] = flags
            return kind == DELETE_LINK or before != flags
        return False
