"""Protobuf's wire format: varints, and fields as (number, wire type, value).

https://protobuf.dev/programming-guides/encoding/
"""

import struct
from collections.abc import Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are not a protobuf message."""


def read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
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


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
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
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise WireError(f"unknown wire type {kind}")
        if position + size > end:
            raise WireError("the message ends inside a field")
        yield number, kind, data[position : position + size]
        position += size


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def tagged_varint(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)


def tagged_bytes(number: int, value: bytes) -> bytes:
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def tagged_double(number: int, value: float) -> bytes:
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)


def double(data: memoryview) -> float:
    return float(struct.unpack("<d", data)[0])
