"""Which transactions are somebody else's."""

import struct

from pinnace.component.nft_events import NEW_GENERATION, TableEvents, attributes, messages

NEW_RULE, NEW_TABLE = 6, 0


def message(kind: int, *attribute: tuple[int, bytes], subsystem: int = 10) -> bytes:
    body = struct.pack("!BBH", 1, 0, 0)
    for number, value in attribute:
        body += struct.pack("=HH", 4 + len(value), number) + value + b"\0" * (-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), subsystem << 8 | kind, 0, 0, 0) + body


def transaction(*tables: bytes) -> bytes:
    return b"".join(message(NEW_RULE, (1, table + b"\0"), (2, b"chain\0")) for table in tables) + message(
        NEW_GENERATION, (1, b"\0\0\0\7"), (2, b"\0\0\0\1")
    )


class Heard:
    def __init__(self) -> None:
        self.times = 0
        self.events = TableEvents("ours", self._count)
        self.events._is_listening = True

    def _count(self) -> None:
        self.times += 1

    def hear(self, data: bytes) -> None:
        for kind, body in messages(data):
            self.events._hear(kind, body)


def test_only_transactions_that_touch_the_table_count() -> None:
    heard = Heard()
    heard.hear(
        transaction(b"theirs", b"other") + transaction() + message(NEW_TABLE, (1, b"ours\0"), subsystem=1)
    )
    assert heard.times == 0
    heard.hear(transaction(b"theirs", b"ours"))
    assert heard.times == 1


def test_our_own_transactions_do_not_count_whenever_the_kernel_tells_of_them() -> None:
    heard = Heard()
    with heard.events.writing():
        heard.hear(transaction(b"ours", b"ours"))
    with heard.events.writing():
        pass
    heard.hear(transaction(b"ours"))
    assert heard.times == 0
    with heard.events.writing():
        heard.hear(transaction(b"ours"))
        heard.hear(transaction(b"ours"))
    assert heard.times == 1, "two, and only one was ours"


def test_a_transaction_that_failed_was_none() -> None:
    heard = Heard()
    try:
        with heard.events.writing():
            raise OSError
    except OSError:
        pass
    heard.hear(transaction(b"ours"))
    assert heard.times == 1


def test_what_is_cut_off_is_no_message() -> None:
    whole = transaction(b"ours")
    for end in range(len(whole)):
        for _, body in messages(whole[:end]):
            attributes(body[4:])
    assert list(messages(b"\1\0\0\0" + bytes(12))) == []
