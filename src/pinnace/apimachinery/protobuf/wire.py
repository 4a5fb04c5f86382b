"""Protobuf's wire format: varints, tags, lengths, and fields as (number, wire type, value).

https://protobuf.dev/programming-guides/encoding/
"""

import struct
from collections.abc import Iterator
from functools import cache

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
SHORT = 128  # lengths below this take one byte


class WireError(ValueError):
    """The bytes are not a protobuf message."""


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """(value, position after it), the value unsigned."""
    value = shift = 0
    while True:
        if position >= len(data):
            raise WireError("the message ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise WireError("a number is longer than ten bytes")


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(field number, wire type, number or bytes) in the order of the message."""
    position, end = 0, len(data)
    while position < end:
        key, position = read_varint(data, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("field number 0")
        if kind == VARINT:
            value, position = read_varint(data, position)
            yield number, kind, value
            continue
        if kind == LENGTH:
            size, position = read_varint(data, position)
        else:
            size = fixed_size(kind)
        if position + size > end:
            raise WireError("the message ends inside a field")
        yield number, kind, data[position : position + size]
        position += size


def fixed_size(kind: int) -> int:
    if kind not in (FIXED64, FIXED32):
        raise WireError(f"unknown wire type {kind}")
    return 8 if kind == FIXED64 else 4


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


@cache
def tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


@cache
def short_prefixes(number: int) -> tuple[bytes, ...]:
    """Tag and length of a field of 0, 1, 2 ... 127 bytes: most fields are that short."""
    head = tag(number, LENGTH)
    return tuple(head + bytes((size,)) for size in range(SHORT))


def prefix(number: int, size: int) -> bytes:
    """Tag and length of a field of `size` bytes, which are to follow."""
    return short_prefixes(number)[size] if size < SHORT else tag(number, LENGTH) + varint(size)


def tagged_varint(number: int, value: int) -> bytes:
    return tag(number, VARINT) + varint(value)


def tagged_bytes(number: int, value: bytes) -> bytes:
    return prefix(number, len(value)) + value


def tagged_double(number: int, value: float) -> bytes:
    return tag(number, FIXED64) + struct.pack("<d", value)


def double(data: bytes) -> float:
    return float(struct.unpack("<d", data)[0])
