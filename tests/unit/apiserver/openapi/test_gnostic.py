"""The encoding is read back by the field numbers of the message, written here a second time on purpose."""

from typing import Any

import orjson

from pinnace.apiserver.openapi import gnostic

DOCUMENT: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "v"},
    "paths": {
        "/p": {
            "patch": {
                "operationId": "patchIt",
                "parameters": [
                    {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/X"}},
                    {"name": "dryRun", "in": "query", "type": "string", "uniqueItems": True},
                    {"name": "name", "in": "path", "required": True, "type": "string"},
                ],
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/X"}}},
                "x-kubernetes-action": "patch",
            }
        }
    },
    "definitions": {
        "X": {
            "type": "object",
            "description": "d" * 300,
            "required": ["a", "b"],
            "properties": {"a": {"type": "array", "items": {"type": "string", "format": "byte"}}},
            "additionalProperties": {"type": "integer"},
            "x-kubernetes-patch-merge-key": "name",
        }
    },
}


def read(data: bytes) -> dict[int, list[Any]]:
    """field number -> values, bytes or numbers."""
    found: dict[int, list[Any]] = {}
    position = 0

    def varint() -> int:
        nonlocal position
        number = shift = 0
        while True:
            byte = data[position]
            position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while position < len(data):
        key = varint()
        value: Any = varint()
        if key & 7 == 2:
            position += value
            value = data[position - value : position]
        found.setdefault(key >> 3, []).append(value)
    return found


def at(data: bytes, *fields: int) -> Any:
    for field in fields:
        data = read(data)[field][0]
    return data


def test_document() -> None:
    data = gnostic.encode(DOCUMENT)
    assert at(data, 1) == b"2.0"
    assert at(data, 2, 2) == b"v"
    assert at(data, 8, 2, 1) == b"/p"
    assert at(data, 9, 1, 1) == b"X"


def test_operation_and_parameters() -> None:
    operation = read(at(gnostic.encode(DOCUMENT), 8, 2, 2, 8))
    assert operation[5] == [b"patchIt"]
    body, query, path = operation[8]
    assert at(body, 1, 1, 5, 1) == b"#/definitions/X"
    assert at(body, 1, 1, 4) == 1
    assert at(query, 1, 2, 3, 4) == b"dryRun"
    assert at(query, 1, 2, 3, 20) == 1
    assert at(path, 1, 2, 4, 4) == b"name"
    (responses,) = operation[9]
    assert at(responses, 1, 1) == b"200"
    assert at(responses, 1, 2, 1, 2, 1, 1) == b"#/definitions/X"
    (extension,) = operation[13]
    assert at(extension, 1) == b"x-kubernetes-action"
    assert orjson.loads(at(extension, 2, 2)) == "patch"


def test_schema() -> None:
    schema = read(at(gnostic.encode(DOCUMENT), 9, 1, 2))
    assert schema[4] == [b"d" * 300]
    assert schema[19] == [b"a", b"b"]
    assert at(schema[22][0], 1) == b"object"
    assert at(schema[21][0], 1, 22, 1) == b"integer"
    assert at(schema[25][0], 1, 1) == b"a"
    assert at(schema[25][0], 1, 2, 23, 1, 2) == b"byte"
    assert at(schema[31][0], 1) == b"x-kubernetes-patch-merge-key"
