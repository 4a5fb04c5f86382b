"""Dicts to messages: one function per message type, put together from the table when it is first needed.

Fields are written in the order of the table, map entries in the order of their keys, so that equal objects have equal
bytes. What is in the dict is written, also when it is zero; null is absent; keys that the table does not have are left out.
"""

import base64
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pinnace.apimachinery.protobuf import special, wire
from pinnace.apimachinery.protobuf.table import Field, Message, message

MessageEncoder = Callable[[Mapping[str, Any]], bytes]
FieldEncoder = Callable[[Any], bytes]  # a value that is not None -> tag, length, bytes


@cache
def encoder_of(name: str) -> MessageEncoder:
    """The encoder of the message `package.Name`, which must be in the table."""
    known = message(name)
    if known is None:
        raise wire.WireError(f"the message {name} is not in the table")
    inline = [field for field in known.fields if field.is_inline]
    return _with_inline(known) if inline else _plain(known)


def _plain(known: Message) -> MessageEncoder:
    fields = [(field.name, _field(field)) for field in known.fields]
    if len(fields) == 1:
        return _single(*fields[0])

    def encode(obj: Mapping[str, Any]) -> bytes:
        return b"".join(
            [
                encode_field(obj[name])
                for name, encode_field in fields
                if name in obj and obj[name] is not None
            ]
        )

    return encode


def _single(name: str, encode_field: FieldEncoder) -> MessageEncoder:
    def encode(obj: Mapping[str, Any]) -> bytes:
        value = obj.get(name)
        return b"" if value is None else encode_field(value)

    return encode


def _with_inline(known: Message) -> MessageEncoder:
    """Some fields of the object make up a message of their own."""
    fields = [
        ("" if field.is_inline else field.name, _field(field), wire.prefix(field.number, 0))
        for field in known.fields
    ]

    def encode(obj: Mapping[str, Any]) -> bytes:
        parts = []
        for name, encode_field, empty in fields:
            value = obj.get(name) if name else obj
            if value is not None:
                part = encode_field(value)
                if name or part != empty:
                    parts.append(part)
        return b"".join(parts)

    return encode


def _field(field: Field) -> FieldEncoder:
    if field.shape == "map":
        return _map(field.number, _value(2, field.kind))
    one = _value(field.number, field.kind)
    return _list(one) if field.shape == "list" else one


def _list(encode: FieldEncoder) -> FieldEncoder:
    return lambda values: b"".join([encode(value) for value in values])


def _map(number: int, encode: FieldEncoder) -> FieldEncoder:
    encode_key, entry_prefix = _string(1), wire.prefix

    def encode_map(values: Mapping[str, Any]) -> bytes:
        parts: list[bytes] = []
        for key in sorted(values):
            entry = encode_key(key) + encode(values[key])
            parts += (entry_prefix(number, len(entry)), entry)
        return b"".join(parts)

    return encode_map


def _value(number: int, kind: str) -> FieldEncoder:
    match kind:
        case "s":
            return _string(number)
        case "b":
            false, true = wire.tagged_varint(number, 0), wire.tagged_varint(number, 1)
            return lambda value: true if value else false
        case "i":
            head, varint = wire.tag(number, wire.VARINT), wire.varint
            return lambda value: head + varint(int(value))
        case "y":
            return lambda value: wire.tagged_bytes(number, base64.b64decode(value))
        case "d":
            return lambda value: wire.tagged_double(number, float(value))
    return _message(number, special.ENCODERS.get(kind), kind)


def _string(number: int) -> FieldEncoder:
    short, prefix, most = wire.short_prefixes(number), wire.prefix, wire.SHORT

    def encode(value: str) -> bytes:
        raw = value.encode()
        size = len(raw)
        return (short[size] if size < most else prefix(number, size)) + raw

    return encode


def _message(number: int, encode_special: FieldEncoder | None, kind: str) -> FieldEncoder:
    """Other messages are looked up when a value comes, not before: most types of volumes are never seen."""
    short, prefix, most = wire.short_prefixes(number), wire.prefix, wire.SHORT

    def encode(value: Any) -> bytes:
        raw = encoder_of(kind)(value) if encode_special is None else encode_special(value)
        size = len(raw)
        return (short[size] if size < most else prefix(number, size)) + raw

    return encode
