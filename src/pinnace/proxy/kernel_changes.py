"""Being told by the kernel that somebody changed our tables: `nft flush ruleset`, a table deleted by hand, another program.

The kernel sends what each transaction changed to whoever listens; nobody asks periodically. Messages name the process that sent
the transaction, so that our own are known. Facts: linux/netfilter/nf_tables.h, linux/netlink.h.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Container, Iterator

NETLINK_NETFILTER, NFTABLES_GROUP = 12, 7
NFTABLES_SUBSYSTEM = 10
GET_GENERATION = 16
REQUEST = 1
SO_RCVBUFFORCE = 33
BUFFER = 4 << 20  # of the kernel, used only while messages wait
HEADER, GENERIC, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
FAMILIES = {2: "ip", 10: "ip6"}  # NFPROTO_IPV4, NFPROTO_IPV6


class KernelChanges:
    """Calls `changed` after a transaction of somebody else on one of `tables` ("ip NAME"), and when messages were lost."""

    def __init__(self, tables: Container[str], own_pids: Container[int], changed: Callable[[], None]) -> None:
        self._tables, self._own, self._changed = tables, own_pids, changed
        self._socket: socket.socket | None = None
        self._expected = 0  # the generation of rules that our own transaction leads to; 0 outside of one
        self._was_lost = False

    def open(self) -> None:
        """Raises OSError where there is no such socket."""
        listening = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER
        )
        with contextlib.suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        listening.bind((0, 1 << (NFTABLES_GROUP - 1)))
        self._socket = listening
        asyncio.get_running_loop().add_reader(listening, self._read)

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    @contextlib.contextmanager
    def own_transaction(self) -> Iterator[None]:
        """What is lost in here (a big transaction of ours overflows the buffer) matters only if there was more than that one."""
        if self._socket is None:
            yield
            return
        self._expected = generation() + 1
        try:
            yield
        finally:
            self._read()
            if self._was_lost and generation() != self._expected:
                self._changed()
            self._expected, self._was_lost = 0, False

    def _read(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: messages were lost
                if self._expected:
                    self._was_lost = True
                else:
                    self._changed()
                continue
            if any(table in self._tables for table in tables_changed(data, self._own)):
                self._changed()


def tables_changed(data: bytes, own_pids: Container[int]) -> Iterator[str]:
    """The tables that these messages speak of, but for those that come of our own transactions."""
    at = 0
    while at + HEADER.size + GENERIC.size <= len(data):
        length, kind, _, _, sender = HEADER.unpack_from(data, at)
        if length < HEADER.size or at + length > len(data):
            return
        name_at = at + HEADER.size + GENERIC.size
        if (
            sender not in own_pids
            and kind >> 8 == NFTABLES_SUBSYSTEM
            and name_at + ATTRIBUTE.size <= at + length
        ):
            family = FAMILIES.get(data[at + HEADER.size], "")
            size, attribute = ATTRIBUTE.unpack_from(data, name_at)
            if attribute == 1 and family:  # the first attribute of every object is its table's name
                yield f"{family} {data[name_at + ATTRIBUTE.size : name_at + size].rstrip(bytes(1)).decode(errors='replace')}"
        at += (length + 3) & ~3


def generation() -> int:
    """The number of the kernel's current rules: each transaction of anybody adds one."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as asking:
        kind = NFTABLES_SUBSYSTEM << 8 | GET_GENERATION
        asking.send(HEADER.pack(HEADER.size + GENERIC.size, kind, REQUEST, 1, 0) + GENERIC.pack(0, 0, 0))
        answer = asking.recv(4096)
    at = HEADER.size + GENERIC.size
    (number,) = struct.unpack_from("!I", answer, at + ATTRIBUTE.size)
    return int(number)
