"""Messages of the kernel as bytes."""

import struct

from pinnace.component.netlink import HEADER, attributes, messages


def message(kind: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, 0, 0, 0) + body + b"\0" * (-len(body) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def test_several_messages_in_one_datagram_and_a_broken_one() -> None:
    two = message(1, b"abc") + message(2, b"defg")
    assert list(messages(two)) == [(1, b"abc"), (2, b"defg")]
    assert list(messages(b"\0" * 20)) == []
    assert list(messages(b"\1\0\0\0" + bytes(12))) == []


def test_attributes_come_without_their_flags_and_padding() -> None:
    assert attributes(attribute(1, b"abc") + attribute(0x8002, b"defg")) == {1: b"abc", 2: b"defg"}
    assert attributes(bytes(8)) == {}


def test_what_is_cut_off_is_no_message() -> None:
    whole = message(1, attribute(1, b"table\0") + attribute(2, b"x")) * 2
    for end in range(len(whole)):
        assert len([attributes(body) for _, body in messages(whole[:end])]) <= 2
