"""What the kernel tells about links and routes, without asking it again and again: a netlink socket in the event loop."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from types import TracebackType

ROUTE = getattr(socket, "NETLINK_ROUTE", 0)
GROUP_LINK, GROUP_IPV4_ROUTE, GROUP_IPV4_ADDRESS = 0x1, 0x40, 0x10
NEW_LINK, DELETE_LINK, NEW_ADDRESS, DELETE_ADDRESS, DELETE_ROUTE = 16, 17, 20, 21, 25
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
ROUTE_MESSAGE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: ..., table, protocol, scope, type, flags
ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
BUFFER = 1 << 16


class KernelChanges:
    """Calls `changed` when a watched link changes, an address comes to or leaves one, or a route of this protocol goes.

    A context manager; inside, the event loop reads the socket.
    """

    def __init__(self, protocol: int, changed: Callable[[], None]) -> None:
        self._protocol, self._changed = protocol, changed
        self._links: set[int] = set()
        self._flags: dict[int, int] = {}
        self._socket: socket.socket | None = None

    def watch_links(self, indexes: set[int]) -> None:
        self._links = indexes
        self._flags = {index: flags for index, flags in self._flags.items() if index in indexes}

    def __enter__(self) -> "KernelChanges":
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, ROUTE)
        self._socket.bind((0, GROUP_LINK | GROUP_IPV4_ROUTE | GROUP_IPV4_ADDRESS))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = self._socket.recv(BUFFER)
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    self._changed()  # ENOBUFS: some were lost
                    continue
                verdicts = [self.concerns(kind, body) for kind, body in messages(data)]  # each is looked at
                if any(verdicts):
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


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message in one datagram."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield kind, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3
