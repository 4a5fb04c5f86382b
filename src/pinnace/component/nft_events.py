"""Hearing of what others do to our nftables tables: `nft flush ruleset`, a table deleted by hand, another program.

The kernel says what each transaction changed; nobody asks again and again. Leaves out what the change was: whoever owns a table
writes it anew. Facts: linux/netfilter/nf_tables.h.
"""

import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Container, Iterator

from pinnace.component.netlink import HEADER, Listener, attributes

log = logging.getLogger(__name__)

NETLINK_NETFILTER, NFTABLES_GROUP = 12, 7
NFT_SUBSYSTEM = 10
NEW_GENERATION, GET_GENERATION = 15, 16
REQUEST = 1
TABLE_NAME = GENERATION_NUMBER = 1  # attributes: of every message but NEW_GENERATION, and of that one
FAMILY_HEADER = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource
FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}  # NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6


class TableEvents:
    """Calls `changed` after a transaction of somebody else on one of `tables` ("ip NAME"), and when messages were lost.

    Ours are told apart by counting: the process ids that the kernel names are those of its own namespace.
    """

    def __init__(self, tables: Container[str], changed: Callable[[], None]) -> None:
        self._tables, self._changed = tables, changed
        self._listener = Listener(NETLINK_NETFILTER, 1 << (NFTABLES_GROUP - 1), self._hear, self._lost)
        self._is_touched = False  # by the transaction whose messages are coming
        self._is_own_time = self._was_lost = False
        self._heard = 0  # transactions on our tables since our own was begun

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Goes on without, and says so, where the kernel tells nothing."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._listener.listening())
            except OSError as error:
                log.warning(
                    "rules that somebody else deletes are not restored before the next change: %s", error
                )
            self._is_touched = False
            yield

    @contextlib.contextmanager
    def own_transaction(self) -> Iterator[None]:
        """Around one transaction of ours; raise when it failed.

        What is lost in here (a big one overflows the buffer) matters only if there was more than that one.
        """
        if not self._listener.is_open:
            yield
            return
        before = generation()
        self._listener.read()  # what came so far was not ours
        self._heard, self._was_lost, self._is_own_time = 0, False, True
        made = 0
        try:
            yield
            made = 1
        finally:
            self._listener.read()  # the kernel has told of everything when nft has ended
            self._is_own_time = False
            if self._heard > made or (self._was_lost and generation() != before + made):
                self._changed()

    def _hear(self, kind: int, body: bytes) -> None:
        """A transaction's messages end with the one of its generation."""
        if kind >> 8 != NFT_SUBSYSTEM or len(body) < FAMILY_HEADER.size:
            return
        if kind & 0xFF != NEW_GENERATION:
            self._is_touched = self._is_touched or table_of(body) in self._tables
        elif self._is_touched:
            self._is_touched = False
            self._heard += 1
            if not self._is_own_time:
                self._changed()

    def _lost(self) -> None:
        self._is_touched, self._was_lost = False, True
        if not self._is_own_time:
            self._changed()


def table_of(body: bytes) -> str:
    """The family and name of the table that a message is about."""
    name = attributes(body[FAMILY_HEADER.size :]).get(TABLE_NAME, b"")
    return f"{FAMILIES.get(body[0], '')} {name.rstrip(bytes(1)).decode(errors='replace')}"


def generation() -> int:
    """The number of the kernel's current rules: each transaction of anybody adds one."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as asking:
        kind = NFT_SUBSYSTEM << 8 | GET_GENERATION
        size = HEADER.size + FAMILY_HEADER.size
        asking.send(HEADER.pack(size, kind, REQUEST, 1, 0) + FAMILY_HEADER.pack(0, 0, 0))
        answer = asking.recv(4096)
    return int.from_bytes(attributes(answer[size:]).get(GENERATION_NUMBER, b""), "big")
