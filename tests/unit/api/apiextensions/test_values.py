"""What upstream's validator says of values that do not fit their schema, word by word."""

from typing import Any

import pytest

from pinnace.api.apiextensions import embedded, values
from pinnace.apimachinery.structural.node import Structural


def said(schema: dict[str, Any], value: Any, *old: Any) -> list[str]:
    node = Structural({"type": "object", "properties": {"f": schema}}, is_root=True)
    found = values.validate(node, {"f": value}, *({"f": one} for one in old))
    return [f"{cause.field}: {cause.message}" for cause in found]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer"}, "x", 'Invalid value: "string": f in body must be of type integer: "string"'),
        ({"type": "string"}, None, 'Invalid value: "null": f in body must be of type string: "null"'),
        ({"x-kubernetes-int-or-string": True}, True, 'Invalid value: "boolean": f in body must be of type integer,string: "boolean"'),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        ({"type": "string", "minLength": 2}, "a", 'Invalid value: "a": f in body should be at least 2 chars long'),
        ({"type": "string", "pattern": "^a$"}, "b", "Invalid value: \"b\": f in body should match '^a$'"),
        ({"type": "string", "format": "date-time"}, "b", 'Invalid value: "b": f in body must be of type date-time: "b"'),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: f in body should be greater than or equal to 1"),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": True}, 1, "Invalid value: 1: f in body should be less than 1"),
        ({"type": "integer", "multipleOf": 5}, 7, "Invalid value: 7: f in body should be a multiple of 5"),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, ["a", "b"], "Too many: 2: must have at most 1 items"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, [], "Invalid value: 0: f in body should have at least 1 items"),
        ({"type": "object", "maxProperties": 0}, {"a": 1}, "Too many: 1: must have at most 0 items"),
    ],
)  # fmt: skip
def test_one_finding(schema: dict[str, Any], value: Any, message: str) -> None:
    assert said(schema, value) == [f"f: {message}"]


def test_findings_inside_name_their_place() -> None:
    inner = {"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}}
    assert said({"type": "array", "items": inner}, [{"a": 1}, {"b": "x"}]) == [
        "f[1].a: Required value",
        'f[1].b: Invalid value: "string": f[1].b in body must be of type integer: "string"',
    ]
    assert said({"type": "object", "additionalProperties": {"type": "string"}}, {"k": 1}) == [
        'f.k: Invalid value: "integer": f.k in body must be of type string: "integer"'
    ]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"anyOf": [{"minimum": 5}, {"maximum": 1}]}, 3, '"f" must validate at least one schema (anyOf)'),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, '"f" must validate one and only one schema (oneOf). Found 2 valid alternatives'),
        ({"oneOf": [{"minimum": 5}, {"minimum": 6}]}, 3, '"f" must validate one and only one schema (oneOf). Found none valid'),
        ({"allOf": [{"minimum": 5}]}, 3, '"f" must validate all the schemas (allOf). None validated'),
        ({"not": {"minimum": 1}}, 3, '"f" must not validate the schema (not)'),
    ],
)  # fmt: skip
def test_junctors_have_no_place_of_their_own(schema: dict[str, Any], value: Any, message: str) -> None:
    assert said({"type": "integer", **schema}, value)[0] == f'<nil>: Invalid value: "": {message}'


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "nullable": True}, None),
        ({"type": "integer"}, 3.0),
        ({"type": "number"}, 3),
        ({"x-kubernetes-int-or-string": True}, "10%"),
        ({"x-kubernetes-preserve-unknown-fields": True}, {"a": [1, None]}),
        ({"type": "string", "format": "unheard-of"}, "x"),
        ({"type": "string", "format": "ipv4"}, "10.0.0.1"),
        ({"type": "string", "format": "duration"}, "1h30m"),
        ({"type": "string", "format": "byte"}, "aGk="),
    ],
)
def test_no_finding(schema: dict[str, Any], value: Any) -> None:
    assert said(schema, value) == []


def test_what_did_not_change_is_not_judged_again() -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x"]}, "b": {"type": "string"}}}
    old = {"a": "wrong", "b": "1"}
    assert said(schema, {"a": "wrong", "b": "2"}, old) == []
    assert len(said(schema, {"a": "other", "b": "1"}, old)) == 1
    keyed = {
        "type": "array", "items": schema, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b"],
    }  # fmt: skip
    new = {"a": "x", "b": "0"}
    assert said(keyed, [new, old], [old]) == []
    atomic = {"type": "array", "items": schema}
    assert len(said(atomic, [new, old], [old])) == 1


def test_sets_and_keyed_lists_hold_nothing_twice() -> None:
    keyed = {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string", "default": "x"}}},
    }  # fmt: skip
    many = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    node = Structural({"type": "object", "properties": {"keyed": keyed, "set": many}}, is_root=True)
    found = embedded.validate_lists(node, {"keyed": [{"name": "x"}, {}], "set": ["a", "a"]})
    assert [f"{cause.field}: {cause.message}" for cause in found] == [
        "keyed[1]: Duplicate value: {}",
        'set[1]: Duplicate value: "a"',
    ]
