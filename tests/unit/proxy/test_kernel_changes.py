"""Messages of the kernel about changed rules, as bytes."""

import struct

from pinnace.proxy.kernel_changes import tables_changed

NEW_RULE, NEW_GENERATION = 10 << 8 | 6, 10 << 8 | 15


def message(kind: int, family: int, sender: int, name: str, attribute: int = 1) -> bytes:
    text = name.encode() + b"\0"
    body = struct.pack("=BBHHH", family, 0, 0, 4 + len(text), attribute) + text
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, sender) + padded


def test_tables_that_others_changed_are_named() -> None:
    data = b"".join(
        [
            message(NEW_RULE, 2, 7, "pinnace"),
            message(NEW_RULE, 10, 7, "pinnace-web"),
            message(NEW_RULE, 2, 8, "ours"),  # sent by ourselves
            message(NEW_RULE, 1, 7, "inet-table"),  # of a family that is not ours
            message(NEW_GENERATION, 0, 7, "abc"),
        ]
    )
    assert list(tables_changed(data, {8})) == ["ip pinnace", "ip6 pinnace-web"]


def test_what_is_cut_off_or_nonsense_is_passed_over() -> None:
    whole = message(NEW_RULE, 2, 7, "pinnace")
    assert list(tables_changed(whole[:20], ())) == []
    assert list(tables_changed(struct.pack("=IHHII", 3, NEW_RULE, 0, 0, 7) + bytes(16), ())) == []
    assert list(tables_changed(message(1 << 8, 2, 7, "pinnace"), ())) == []
