"""What the kernel tells without being asked: a netlink socket in the event loop, and the messages that come out of it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 4 << 20  # of the kernel, used only while messages wait
DATAGRAM_BYTES = 1 << 16


class Listener:
    """`heard(type, body)` is called for every message to these groups (a mask), `lost` when more came than fits."""

    def __init__(
        self, protocol: int, groups: int, heard: Callable[[int, bytes], None], lost: Callable[[], None]
    ) -> None:
        self._protocol, self._groups = protocol, groups
        self._heard, self._lost = heard, lost
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Raises OSError where the kernel has no such messages for us."""
        loop = asyncio.get_running_loop()
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, self._protocol
        ) as opened:
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            opened.bind((0, self._groups))
            loop.add_reader(opened, self.read)
            self._socket = opened
            try:
                yield
            finally:
                self._socket = None
                loop.remove_reader(opened)

    def read(self) -> None:
        """All that has come by now."""
        while self._socket is not None:
            try:
                data = self._socket.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS
                self._lost()
                continue
            for kind, body in messages(data):
                self._heard(kind, body)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message in one datagram."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield kind, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found
