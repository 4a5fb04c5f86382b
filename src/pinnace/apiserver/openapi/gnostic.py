"""OpenAPI v2 in protobuf: the form in which client-go asks for it.

A small encoder of our own over a table of field numbers, for the parts of a document that `documents.v2` produces.
Message: https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any

import orjson

Json = dict[str, Any]
Encoder = Callable[..., bytes]  # of a value; the scalar ones also want the number of the field

# What clients ask for, and the well-formed name by which it is answered ("@" is no token of MIME).
ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _block(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(value: str) -> bytes:
    return value.encode()


def _message(fields: dict[str, tuple[int, Encoder | None]], body: Json, extensions: int) -> bytes:
    """Encode the listed fields of a JSON object (no encoder: a boolean), lists as repeated fields, and `x-` extensions."""
    encoded = []
    for name, (field, encode) in fields.items():
        value = body.get(name)
        if value is None or value is False:
            continue
        if encode is None:
            encoded.append(_varint(field << 3) + b"\x01")
        elif encode in _SCALARS:
            encoded.append(encode(value, field))
        else:
            values = value if isinstance(value, list) else [value]
            encoded += [_block(field, encode(one)) for one in values]
    for name, value in body.items():
        if name.startswith("x-"):
            encoded.append(_block(extensions, _named(name, _any(value))))
    return b"".join(encoded)


def _number(value: float, field: int) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _integer(value: int, field: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _whole(value: Any, field: int) -> bytes:
    """A list is one value here, and not a repeated field."""
    return _block(field, _any(value))


_SCALARS = (_number, _integer, _whole)


def _named(name: str, value: bytes) -> bytes:
    return _block(1, _text(name)) + _block(2, value)


def _any(value: Any) -> bytes:
    """YAML text; JSON is YAML."""
    return _block(2, orjson.dumps(value) + b"\n")


def _named_list(items: Json, encode: Encoder, field: int = 1) -> bytes:
    return b"".join(_block(field, _named(name, encode(value))) for name, value in items.items())


def _type(value: str) -> bytes:
    return _block(1, _text(value))


def _schema(body: Json) -> bytes:
    return _message(_SCHEMA, body, 31)


def _inner(body: Json) -> bytes:
    """ItemsItem, AdditionalPropertiesItem and SchemaItem all hold a schema as their first field."""
    return _block(1, _schema(body))


def _additional(body: Any) -> bytes:
    return b"\x10\x01" if body is True else _inner(body)


def _properties(items: Json) -> bytes:
    return _named_list(items, _schema)


_SCHEMA: dict[str, tuple[int, Encoder | None]] = {
    "$ref": (1, _text),
    "format": (2, _text),
    "description": (4, _text),
    "default": (5, _whole),
    "multipleOf": (6, _number),
    "maximum": (7, _number),
    "exclusiveMaximum": (8, None),
    "minimum": (9, _number),
    "exclusiveMinimum": (10, None),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _text),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, None),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _text),
    "enum": (20, _any),
    "additionalProperties": (21, _additional),
    "type": (22, _type),
    "items": (23, _inner),
    "properties": (25, _properties),
}

_BODY_PARAMETER: dict[str, tuple[int, Encoder | None]] = {
    "description": (1, _text), "name": (2, _text), "in": (3, _text), "required": (4, None), "schema": (5, _schema),
}  # fmt: skip
_QUERY_PARAMETER: dict[str, tuple[int, Encoder | None]] = {
    "required": (1, None), "in": (2, _text), "description": (3, _text), "name": (4, _text), "type": (6, _text),
    "uniqueItems": (20, None),
}  # fmt: skip
_PATH_PARAMETER: dict[str, tuple[int, Encoder | None]] = {
    "required": (1, None), "in": (2, _text), "description": (3, _text), "name": (4, _text), "type": (5, _text),
    "uniqueItems": (19, None),
}  # fmt: skip


def _parameter(body: Json) -> bytes:
    """ParametersItem: parameter -> body or non-body -> query or path."""
    match body["in"]:
        case "body":
            inner = _block(1, _message(_BODY_PARAMETER, body, 6))
        case "query":
            inner = _block(2, _block(3, _message(_QUERY_PARAMETER, body, 23)))
        case _:
            inner = _block(2, _block(4, _message(_PATH_PARAMETER, body, 22)))
    return _block(1, inner)


_RESPONSE: dict[str, tuple[int, Encoder | None]] = {"description": (1, _text), "schema": (2, _inner)}


def _response(body: Json) -> bytes:
    return _block(1, _message(_RESPONSE, body, 5))


def _responses(items: Json) -> bytes:
    return _named_list(items, _response)


_OPERATION: dict[str, tuple[int, Encoder | None]] = {
    "tags": (1, _text),
    "description": (3, _text),
    "operationId": (5, _text),
    "produces": (6, _text),
    "consumes": (7, _text),
    "parameters": (8, _parameter),
    "responses": (9, _responses),
    "schemes": (10, _text),
}


def _operation(body: Json) -> bytes:
    return _message(_OPERATION, body, 13)


_PATH_ITEM: dict[str, tuple[int, Encoder | None]] = {
    "get": (2, _operation),
    "put": (3, _operation),
    "post": (4, _operation),
    "delete": (5, _operation),
    "patch": (8, _operation),
}


def _path_item(body: Json) -> bytes:
    return _message(_PATH_ITEM, body, 10)


_INFO: dict[str, tuple[int, Encoder | None]] = {"title": (1, _text), "version": (2, _text)}


def encode(document: Json) -> bytes:
    """A document of `documents.v2` as an openapi.v2.Document."""
    parts: Iterable[bytes] = (
        _block(1, _text(document["swagger"])),
        _block(2, _message(_INFO, document["info"], 7)),
        _block(8, _named_list(document["paths"], _path_item, 2)),
        _block(9, _named_list(document["definitions"], _schema)),
    )
    return b"".join(parts)
