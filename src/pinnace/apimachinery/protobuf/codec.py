"""Objects to and from protobuf: the envelope of `application/vnd.kubernetes.protobuf`, and messages by the table.

Go's encoder writes fields that are not pointers even when they are zero; JSON leaves those out. The table says which zero
values count; all others are dropped, so that defaults apply as they do for JSON.
"""

import base64
from typing import Any

from pinnace.apimachinery.gvk import parse_api_version
from pinnace.apimachinery.protobuf import special, wire
from pinnace.apimachinery.protobuf.table import Field, Message, message, message_for

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
ZERO_MEANS_UNSET = frozenset(("targetPort",))  # an int-or-string that is no pointer


class ProtobufError(ValueError):
    """The body is not protobuf, or of a kind that the table does not have."""


def decode_object(body: bytes) -> dict[str, Any]:
    """The object in an envelope, with `kind` and `apiVersion`; raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        type_meta, raw = _envelope(memoryview(body)[len(MAGIC) :])
        api_version, kind = type_meta.get(1, ""), type_meta.get(2, "")
        known = message_for(*parse_api_version(api_version), kind)
        if known is None:
            raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}"')
        return {"kind": kind, "apiVersion": api_version, **decode(known, raw)}
    except (wire.WireError, UnicodeDecodeError, RecursionError) as error:
        raise ProtobufError(f"proto: {error}") from error


def _envelope(data: memoryview) -> tuple[dict[int, str], memoryview]:
    type_meta: dict[int, str] = {}
    raw = memoryview(b"")
    for number, _, value in wire.fields(data):
        if isinstance(value, int):
            continue
        if number == 1:
            type_meta = {n: bytes(v).decode() for n, _, v in wire.fields(value) if not isinstance(v, int)}
        elif number == 2:
            raw = value
    return type_meta, raw


def decode(known: Message, data: memoryview) -> dict[str, Any]:
    """A message as a dict with JSON's names and shapes; unknown field numbers are skipped."""
    found: dict[str, Any] = {}
    for number, kind, value in wire.fields(data):
        field = known.by_number.get(number)
        if field is None:
            continue
        if field.shape == "map":
            key, entry = _map_entry(field, _bytes(value))
            found.setdefault(field.name, {})[key] = entry
        elif field.shape == "list":
            found.setdefault(field.name, []).extend(_list_values(field, kind, value))
        elif field.is_inline:
            found.update(decode(_known(field.kind), _bytes(value)))
        else:
            decoded = _value(field.kind, value)
            if decoded is not special.ABSENT and (field.keeps_zero or _counts(field, decoded)):
                found[field.name] = decoded
    return found


def _counts(field: Field, value: Any) -> bool:
    if field.is_scalar:
        return bool(value)
    return not (value == 0 and field.name in ZERO_MEANS_UNSET)


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise wire.WireError("a number where bytes were expected")
    return value


def _known(name: str) -> Message:
    known = message(name)
    if known is None:
        raise ProtobufError(f"the message {name} is not in the table")
    return known


def _value(kind: str, value: int | memoryview) -> Any:
    match kind:
        case "s":
            return bytes(_bytes(value)).decode()
        case "y":
            return base64.b64encode(_bytes(value)).decode()
        case "d":
            return wire.double(_bytes(value))
        case "i" | "b":
            if not isinstance(value, int):
                raise wire.WireError("bytes where a number was expected")
            return bool(value) if kind == "b" else wire.signed(value)
    if kind in special.DECODERS:
        return special.DECODERS[kind](_bytes(value))
    return decode(_known(kind), _bytes(value))


def _list_values(field: Field, kind: int, value: int | memoryview) -> list[Any]:
    if field.kind in ("i", "b") and kind == wire.LENGTH:  # packed
        numbers, position, data = [], 0, _bytes(value)
        while position < len(data):
            number, position = wire.read_varint(data, position)
            numbers.append(_value(field.kind, number))
        return numbers
    return [_value(field.kind, value)]


def _map_entry(field: Field, data: memoryview) -> tuple[str, Any]:
    key, entry = "", memoryview(b"")
    for number, _, value in wire.fields(data):
        if number == 1:
            key = bytes(_bytes(value)).decode()
        elif number == 2:
            entry = _bytes(value)
    decoded = _value(field.kind, entry)
    return key, "0" if decoded is special.ABSENT else decoded


def encode_object(obj: dict[str, Any]) -> bytes:
    """The envelope with an object in it; raises ProtobufError for kinds that the table does not have."""
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    known = message_for(*parse_api_version(api_version), kind)
    if known is None:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}"')
    type_meta = wire.tagged_bytes(1, api_version.encode()) + wire.tagged_bytes(2, kind.encode())
    body = wire.tagged_bytes(1, type_meta) + wire.tagged_bytes(2, encode(known, obj))
    return MAGIC + body + wire.tagged_bytes(3, b"") + wire.tagged_bytes(4, b"")


def encode(known: Message, obj: dict[str, Any]) -> bytes:
    """A dict as a message; keys that the table does not have are left out."""
    parts: list[bytes] = []
    for field in known.fields:
        if field.is_inline:
            inner = encode(_known(field.kind), obj)
            if inner:
                parts.append(wire.tagged_bytes(field.number, inner))
            continue
        value = obj.get(field.name)
        if value is None:
            continue
        if field.shape == "map":
            parts += [
                wire.tagged_bytes(field.number, _encoded_entry(field, key, entry))
                for key, entry in sorted(value.items())
            ]
        elif field.shape == "list":
            parts += [_encoded(field.number, field.kind, entry) for entry in value]
        else:
            parts.append(_encoded(field.number, field.kind, value))
    return b"".join(parts)


def _encoded_entry(field: Field, key: str, value: Any) -> bytes:
    return wire.tagged_bytes(1, key.encode()) + _encoded(2, field.kind, value)


def _encoded(number: int, kind: str, value: Any) -> bytes:
    match kind:
        case "s":
            return wire.tagged_bytes(number, str(value).encode())
        case "y":
            return wire.tagged_bytes(number, base64.b64decode(value))
        case "i" | "b":
            return wire.tagged_varint(number, int(value))
        case "d":
            return wire.tagged_double(number, float(value))
    if kind in special.ENCODERS:
        return wire.tagged_bytes(number, special.ENCODERS[kind](value))
    return wire.tagged_bytes(number, encode(_known(kind), value))
