"""Objects to and from protobuf: the envelope of `application/vnd.kubernetes.protobuf`, lists, and events of a watch.

Go's encoder writes fields that are not pointers even when they are zero; JSON leaves those out. The table says which zero
values count; all others are dropped when decoding, so that defaults apply as they do for JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pinnace.apimachinery.gvk import parse_api_version
from pinnace.apimachinery.protobuf import wire
from pinnace.apimachinery.protobuf.decoders import decoder_of
from pinnace.apimachinery.protobuf.encoders import encoder_of
from pinnace.apimachinery.protobuf.table import Message, message_for

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
STREAM_TYPE = f"{MEDIA_TYPE};stream=watch"
_LIST_METADATA, _LIST_ITEMS = 1, 2  # the same in every list
_NO_CONTENT_TYPE = wire.tagged_bytes(3, b"") + wire.tagged_bytes(4, b"")


class ProtobufError(ValueError):
    """The body is not protobuf, or of a kind that the table does not have, or a value does not have its type."""


def is_known(api_version: str, kind: str) -> bool:
    """Whether objects of this kind can be written in protobuf."""
    return message_for(*parse_api_version(api_version), kind) is not None


def _known(api_version: str, kind: str) -> Message:
    known = message_for(*parse_api_version(api_version), kind)
    if known is None:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}"')
    return known


def decode_object(body: bytes) -> dict[str, Any]:
    """The object in an envelope, with `kind` and `apiVersion`; raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        type_meta, raw = _opened(body[len(MAGIC) :])
        api_version, kind = type_meta.get(1, ""), type_meta.get(2, "")
        known = _known(api_version, kind)
        return {"kind": kind, "apiVersion": api_version, **decode(known, raw)}
    except (wire.WireError, UnicodeDecodeError, RecursionError) as error:
        raise ProtobufError(f"proto: {error}") from error


def _opened(data: bytes) -> tuple[dict[int, str], bytes]:
    type_meta: dict[int, str] = {}
    raw = b""
    for number, _, value in wire.fields(data):
        if isinstance(value, int):
            continue
        if number == 1:
            type_meta = {n: v.decode() for n, _, v in wire.fields(value) if not isinstance(v, int)}
        elif number == 2:
            raw = value
    return type_meta, raw


def decode(known: Message, data: bytes) -> dict[str, Any]:
    """A message as a dict; raises WireError."""
    try:
        return decoder_of(known.name)(data, 0, len(data))
    except IndexError:
        raise wire.WireError("the message ends inside a number") from None


def encode(known: Message, obj: Mapping[str, Any]) -> bytes:
    """A dict as a message; raises ProtobufError when a value does not have the type of its field."""
    encoder = encoder_of(known.name)
    try:
        return encoder(obj)
    except (
        AttributeError,
        TypeError,
    ):  # perhaps because of nulls in lists or maps, which have no place in protobuf
        return _encode_without_nulls(known, obj)
    except (ValueError, OverflowError) as error:
        raise ProtobufError(f"{known.name}: {error}") from error


def _encode_without_nulls(known: Message, obj: Mapping[str, Any]) -> bytes:
    try:
        return encoder_of(known.name)(_without_nulls(obj))
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ProtobufError(f"{known.name}: {error}") from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value if entry is not None]
    return value


def encode_message(obj: Mapping[str, Any]) -> bytes:
    """The message alone, of which envelopes, lists and events are made; raises ProtobufError."""
    return encode(_known(obj.get("apiVersion", ""), obj.get("kind", "")), obj)


def encode_object(obj: Mapping[str, Any]) -> bytes:
    """The object in an envelope; raises ProtobufError."""
    return envelope(obj.get("apiVersion", ""), obj.get("kind", ""), [encode_message(obj)])


def envelope(api_version: str, kind: str, parts: Sequence[bytes]) -> bytes:
    """`parts` together are the message."""
    type_meta = wire.tagged_bytes(1, api_version.encode()) + wire.tagged_bytes(2, kind.encode())
    size = sum(map(len, parts))
    return b"".join((MAGIC, wire.tagged_bytes(1, type_meta), wire.prefix(2, size), *parts, _NO_CONTENT_TYPE))


def encode_list(api_version: str, kind: str, metadata: Mapping[str, Any], messages: Sequence[bytes]) -> bytes:
    """An enveloped list of encoded items."""
    prefix = wire.prefix
    parts = [wire.tagged_bytes(_LIST_METADATA, encoder_of("meta.v1.ListMeta")(metadata))]
    for message in messages:
        parts += (prefix(_LIST_ITEMS, len(message)), message)
    return envelope(api_version, kind, parts)


def encode_event(event: str, enveloped: bytes) -> bytes:
    """A `WatchEvent`, which itself has no envelope."""
    raw_extension = wire.prefix(1, len(enveloped))
    head = wire.tagged_bytes(1, event.encode()) + wire.prefix(2, len(raw_extension) + len(enveloped))
    return b"".join((head, raw_extension, enveloped))


def frame(message: bytes) -> bytes:
    """A message of a watch stream: its length in four bytes, big end first, before it."""
    return len(message).to_bytes(4, "big") + message
