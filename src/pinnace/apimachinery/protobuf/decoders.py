"""Messages to dicts with JSON's names and shapes: one function per message type, put together when it is first needed.

Unknown field numbers are skipped; a known number with another wire type is an error, as in Go.
"""

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

from pinnace.apimachinery.protobuf import special, wire
from pinnace.apimachinery.protobuf.table import Field, Message, message

Found = dict[str, Any]
MessageDecoder = Callable[[bytes, int, int], Found]  # data, begin, end
ReadBytes = Callable[[Found, bytes, int, int], None]
ReadNumber = Callable[[Found, int], None]
ValueDecoder = Callable[[bytes, int, int], Any]

ZERO_MEANS_UNSET = frozenset(("targetPort",))  # an int-or-string that is no pointer


@cache
def decoder_of(name: str) -> MessageDecoder:
    """The decoder of the message `package.Name`, which must be in the table."""
    known = message(name)
    if known is None:
        raise wire.WireError(f"the message {name} is not in the table")
    return _decoder(known)


def _decoder(known: Message) -> MessageDecoder:
    numbers = frozenset(known.by_number)
    of_bytes = {f.number << 3 | wire.LENGTH: _reads_bytes(f) for f in known.fields if f.kind != "d"}
    of_numbers = {f.number << 3 | wire.VARINT: _reads_number(f) for f in known.fields if f.kind in ("i", "b")}
    of_doubles = {f.number << 3 | wire.FIXED64: _reads_double(f) for f in known.fields if f.kind == "d"}

    def decode(data: bytes, position: int, end: int) -> Found:
        found: Found = {}
        while position < end:
            tag = data[position]
            position += 1
            if tag > 127:
                tag, position = wire.read_varint(data, position - 1)
            kind = tag & 7
            if kind == 2:
                size = data[position]
                position += 1
                if size > 127:
                    size, position = wire.read_varint(data, position - 1)
                stop = position + size
                if stop > end:
                    raise wire.WireError("the message ends inside a field")
                read_bytes = of_bytes.get(tag)
                if read_bytes is not None:
                    read_bytes(found, data, position, stop)
                else:
                    _skip(tag, numbers)
                position = stop
            elif kind == 0:
                value = data[position]
                position += 1
                if value > 127:
                    value, position = wire.read_varint(data, position - 1)
                read_number = of_numbers.get(tag)
                if read_number is not None:
                    read_number(found, value)
                else:
                    _skip(tag, numbers)
            else:
                stop = position + wire.fixed_size(kind)
                if stop > end:
                    raise wire.WireError("the message ends inside a field")
                if tag in of_doubles:
                    of_doubles[tag](found, data, position, stop)
                else:
                    _skip(tag, numbers)
                position = stop
        if position > end:
            raise wire.WireError("the message ends inside a number")
        return found

    return decode


def _skip(tag: int, known: frozenset[int]) -> None:
    number = tag >> 3
    if number == 0:
        raise wire.WireError("field number 0")
    if number in known:
        raise wire.WireError(f"wrong wire type {tag & 7} for field {number}")


def _reads_bytes(field: Field) -> ReadBytes:
    if field.shape == "map":
        return _map(field)
    if field.shape == "list":
        return _packed(field) if field.kind in ("i", "b") else _list(field)
    if field.is_inline:
        return _inline(field.kind)
    if field.kind == "s":
        return _string(field)
    return _one(field)


def _string(field: Field) -> ReadBytes:
    name, keeps_zero = field.name, field.keeps_zero

    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        if begin != end or keeps_zero:
            found[name] = data[begin:end].decode()

    return read


def _one(field: Field) -> ReadBytes:
    name, decode = field.name, _value(field.kind)
    zero_counts = field.keeps_zero or (not field.is_scalar and name not in ZERO_MEANS_UNSET)

    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        value = decode(data, begin, end)
        if value is not special.ABSENT and (zero_counts or value):
            found[name] = value

    return read


def _inline(kind: str) -> ReadBytes:
    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        found.update(decoder_of(kind)(data, begin, end))

    return read


def _list(field: Field) -> ReadBytes:
    name, decode = field.name, _value(field.kind)

    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        value = decode(data, begin, end)
        if value is special.ABSENT:
            value = None
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]

    return read


def _packed(field: Field) -> ReadBytes:
    name, convert = field.name, _converter(field.kind)

    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        values = found.setdefault(name, [])
        while begin < end:
            number, begin = wire.read_varint(data, begin)
            values.append(convert(number))

    return read


def _map(field: Field) -> ReadBytes:
    name, decode = field.name, _value(field.kind)

    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        key, value = b"", b""
        for number, _, part in wire.fields(data[begin:end]):
            if isinstance(part, int):
                raise wire.WireError("a number where bytes were expected")
            if number == 1:
                key = part
            elif number == 2:
                value = part
        decoded = decode(value, 0, len(value))
        entries = found.setdefault(name, {})
        entries[key.decode()] = "0" if decoded is special.ABSENT else decoded

    return read


def _value(kind: str) -> ValueDecoder:
    match kind:
        case "s":
            return lambda data, begin, end: data[begin:end].decode()
        case "y":
            return lambda data, begin, end: base64.b64encode(data[begin:end]).decode()
    if kind in special.DECODERS:
        convert = special.DECODERS[kind]
        return lambda data, begin, end: convert(data[begin:end])

    def decode(
        data: bytes, begin: int, end: int
    ) -> Found:  # finds the decoder when a value comes, not before
        return decoder_of(kind)(data, begin, end)

    return decode


def _converter(kind: str) -> Callable[[int], int | bool]:
    return bool if kind == "b" else wire.signed


def _reads_number(field: Field) -> ReadNumber:
    name, convert, keeps_zero = field.name, _converter(field.kind), field.keeps_zero

    def read(found: Found, value: int) -> None:
        if value or keeps_zero:
            found[name] = convert(value)

    def read_one_of_many(found: Found, value: int) -> None:
        found.setdefault(name, []).append(convert(value))

    return read_one_of_many if field.shape == "list" else read


def _reads_double(field: Field) -> ReadBytes:
    name, keeps_zero = field.name, field.keeps_zero

    def read(found: Found, data: bytes, begin: int, end: int) -> None:
        value = wire.double(data[begin:end])
        if value or keeps_zero:
            found[name] = value

    return read
