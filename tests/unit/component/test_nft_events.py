"""Which transactions are somebody else's."""

import struct

import pytest

from pinnace.component import nft_events
from pinnace.component.netlink import messages
from pinnace.component.nft_events import NEW_GENERATION, TableEvents
from unit.component.test_netlink import attribute, message

NEW_RULE, NEW_TABLE = 6, 0
INET, IP, IP6 = 1, 2, 10
NFT = 10 << 8


def of_nft(kind: int, family: int, *attributes: tuple[int, bytes], subsystem: int = NFT) -> bytes:
    body = struct.pack("!BBH", family, 0, 0) + b"".join(attribute(*one) for one in attributes)
    return message(subsystem | kind, body)


def transaction(*tables: bytes, family: int = IP) -> bytes:
    rules = b"".join(of_nft(NEW_RULE, family, (1, name + b"\0"), (2, b"chain\0")) for name in tables)
    return rules + of_nft(NEW_GENERATION, 0, (1, b"\0\0\0\7"), (2, b"\0\0\0\1"))


class Kernel:
    """What came and was not read yet; its transactions count up."""

    is_open = True

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *tables: str) -> None:
        self.times, self.generation, self.waiting = 0, 7, b""
        self.events = TableEvents(tables or ("ip ours",), self._count)
        self.events._listener = self  # type: ignore[assignment]  # the kernel's place
        monkeypatch.setattr(nft_events, "generation", lambda: self.generation)

    def _count(self) -> None:
        self.times += 1

    def commit(self, *tables: bytes, family: int = IP) -> None:
        self.generation += 1
        self.waiting += transaction(*tables, family=family)

    def fail(self, of_others: bytes) -> None:
        self.commit(of_others)
        raise OSError("no")

    def read(self) -> None:
        data, self.waiting = self.waiting, b""
        for kind, body in messages(data):
            self.events._hear(kind, body)

    def lose(self) -> None:
        self.waiting = b""
        self.events._lost()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_only_transactions_that_touch_a_table_of_ours_count(kernel: Kernel) -> None:
    kernel.commit(b"theirs", b"other")
    kernel.commit()
    kernel.commit(b"ours", family=IP6)
    kernel.waiting += of_nft(NEW_TABLE, IP, (1, b"ours\0"), subsystem=1 << 8)
    kernel.read()
    assert kernel.times == 0
    kernel.commit(b"theirs", b"ours")
    kernel.read()
    assert kernel.times == 1


def test_several_tables_of_several_families(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, "ip ours", "ip6 ours", "inet policies")
    kernel.commit(b"ours", family=IP6)
    kernel.commit(b"policies", family=INET)
    kernel.commit(b"policies", family=IP)
    kernel.read()
    assert kernel.times == 2


def test_our_own_transaction_does_not_count(kernel: Kernel) -> None:
    with kernel.events.own_transaction():
        kernel.commit(b"ours", b"ours")
        kernel.read()
    with kernel.events.own_transaction():
        kernel.commit(b"ours")
    assert kernel.times == 0
    with kernel.events.own_transaction():
        kernel.commit(b"ours")
        kernel.commit(b"ours")
    assert kernel.times == 1, "two, and only one was ours"


def test_what_came_before_our_own_is_somebody_elses(kernel: Kernel) -> None:
    kernel.commit(b"ours")
    with kernel.events.own_transaction():
        assert kernel.times == 1
        kernel.commit(b"ours")
    assert kernel.times == 1


def test_a_transaction_that_failed_was_none(kernel: Kernel) -> None:
    with pytest.raises(OSError, match="no"), kernel.events.own_transaction():
        kernel.fail(b"ours")
    assert kernel.times == 1


def test_messages_lost_during_our_own_matter_only_if_there_were_others(kernel: Kernel) -> None:
    with kernel.events.own_transaction():
        kernel.commit(b"ours")
        kernel.lose()
    assert kernel.times == 0
    with kernel.events.own_transaction():
        kernel.commit(b"ours")
        kernel.commit(b"theirs, perhaps")
        kernel.lose()
    assert kernel.times == 1
    kernel.lose()
    assert kernel.times == 2
