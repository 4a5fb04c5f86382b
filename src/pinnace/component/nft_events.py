"""Hearing of what others do to an nftables table: the kernel's own messages, so that nothing has to be asked again and again.

Leaves out what the change was: whoever owns a table writes it anew.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

NETLINK_NETFILTER = 12
SOL_NETLINK, ADD_MEMBERSHIP = 270, 1
GROUP_NFTABLES = 7
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 4 << 20
NFT_SUBSYSTEM = 10
NEW_GENERATION = 15
TABLE_NAME = 1  # attribute of every message but that one
HEADER, FAMILY_HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("!BBH"), struct.Struct("=HH")


class TableEvents:
    """Tells when a table of this name (in any family) was touched by more transactions than our own ones.

    Counted, because the process ids that the kernel names are those of its own namespace: every transaction of ours makes
    one generation, and so one message. `writing` stands around each of them.
    """

    def __init__(self, table: str, changed: Callable[[], None]) -> None:
        self._table = table.encode()
        self._changed = changed
        self._touched = False
        self._surplus = 0  # generations heard of, less those that we made
        self._is_listening = self._is_writing = False

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Around one transaction of our own; raise when it failed."""
        self._is_writing = True
        try:
            yield
            if self._is_listening:
                self._surplus -= 1
        finally:
            self._is_writing = False
            self._look()

    def _look(self) -> None:
        if self._surplus > 0 and not self._is_writing:
            self._surplus = 0
            self._changed()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Raises OSError where the kernel has no such messages for us."""
        loop = asyncio.get_running_loop()
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
        ) as listener:
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            listener.bind((0, 0))
            listener.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP_NFTABLES)
            listener.setblocking(False)
            loop.add_reader(listener, self._read, listener)
            self._surplus, self._is_listening = 0, True
            try:
                yield
            finally:
                self._is_listening = False
                loop.remove_reader(listener)

    def _read(self, listener: socket.socket) -> None:
        while True:
            try:
                data = listener.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # more came than fits: anything may have changed
                self._touched, self._surplus = False, 1
                self._look()
                continue
            for kind, body in messages(data):
                self._hear(kind, body)

    def _hear(self, kind: int, body: bytes) -> None:
        """A transaction's messages end with the one of its generation."""
        if kind >> 8 != NFT_SUBSYSTEM:
            return
        if kind & 0xFF != NEW_GENERATION:
            name = attributes(body[FAMILY_HEADER.size :]).get(TABLE_NAME, b"")
            self._touched = self._touched or name.rstrip(b"\0") == self._table
        elif self._touched:
            self._touched = False
            self._surplus += 1
            self._look()


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of every netlink message."""
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        if length < HEADER.size:
            return
        yield kind, data[HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found
