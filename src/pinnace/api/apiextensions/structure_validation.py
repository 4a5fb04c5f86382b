"""Whether a schema is structural: every field has a type, and junctors only restrict what is declared outside of them."""

from collections.abc import Iterator
from typing import Any, Literal

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.structural.patterns import PatternError, compile_pattern

Raw = dict[str, Any]
Level = Literal["root", "item", "field"]
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_EMPTY_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_FORBIDDEN = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "externalDocs": "must be undefined to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def validate(schema: Raw, path: str) -> list[Cause]:
    found = [*_node(schema, path, "root"), *_complete(schema, path)]
    return sorted(found, key=lambda cause: f"{cause.field}: {cause.message}")


def _node(schema: Raw, path: str, level: Level) -> Iterator[Cause]:
    items, properties = schema.get("items"), schema.get("properties") or {}
    if schema.get("type") == "array" and items is None:
        yield fields.required(f"{path}.items", "must be specified")
    if isinstance(items, dict):
        yield from _node(items, f"{path}.items", "item")
    for name, child in properties.items():
        yield from _node(child, f"{path}.properties[{name}]", "field")
    values = schema.get("additionalProperties")
    if values is not None:
        if level == "root":
            yield fields.forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(values, dict):
            yield from _node(values, f"{path}.additionalProperties", "field")
    yield from _extensions(schema, path)
    any_of, all_of = schema.get("anyOf"), schema.get("allOf") or []
    yield from _values(
        schema,
        path,
        skip_any=any_of == _INT_OR_STRING,
        skip_first_all=bool(all_of) and all_of[0].get("anyOf") == _INT_OR_STRING,
    )
    yield from _types(schema, path, level)
    yield from _metadata(schema, path, level)


def _extensions(schema: Raw, path: str) -> Iterator[Cause]:
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(name):
                yield fields.invalid(
                    f"{path}.{name}", True, "must be false if x-kubernetes-int-or-string is true"
                )


def _types(schema: Raw, path: str, level: Level) -> Iterator[Cause]:
    kind, is_embedded = schema.get("type"), bool(schema.get("x-kubernetes-embedded-resource"))
    if is_embedded and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        yield fields.invalid(f"{path}.type", kind, why) if kind else fields.required(f"{path}.type", why)
    elif (
        not kind
        and not schema.get("x-kubernetes-int-or-string")
        and not schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        yield fields.required(f"{path}.type", _EMPTY_TYPE[level])
    if is_embedded and schema.get("additionalProperties") is not None:
        why = "must not be used if x-kubernetes-embedded-resource is set"
        yield fields.forbidden(f"{path}.additionalProperties", why)
    if level == "root" and kind and kind != "object":
        yield fields.invalid(f"{path}.type", kind, "must be object at the root")
    if (
        is_embedded
        and not schema.get("x-kubernetes-preserve-unknown-fields")
        and not schema.get("properties")
    ):
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield fields.required(f"{path}.properties", why)


def _metadata(schema: Raw, path: str, level: Level) -> Iterator[Cause]:
    """The meta fields of an object are implied; of metadata only the names may be restricted."""
    properties = schema.get("properties") or {}
    if level != "root" and not schema.get("x-kubernetes-embedded-resource"):
        return
    for name in ("kind", "apiVersion"):
        if name in properties and properties[name].get("type") != "string":
            yield fields.invalid(
                f"{path}.properties[{name}].type", properties[name].get("type", ""), "must be string"
            )
    own = properties.get("metadata")
    if own is None:
        return
    place = f"{path}.properties[metadata]"
    if own.get("type") != "object":
        yield fields.invalid(f"{place}.type", own.get("type", ""), "must be object")
    inner = set(own.get("properties") or ())
    rest = {name for name, value in own.items() if value not in (None, "", [], {}, False)} - {
        "type",
        "properties",
        "description",
    }
    if level == "root" and (rest or inner - {"name", "generateName"}):
        why = (
            "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )
        yield fields.forbidden(place, why)


def _values(
    schema: Raw, path: str, *, skip_any: bool = False, skip_first_all: bool = False
) -> Iterator[Cause]:
    for index, child in enumerate(() if skip_any else schema.get("anyOf") or ()):
        yield from _nested(child, f"{path}.anyOf[{index}]")
    for index, child in enumerate(schema.get("allOf") or ()):
        yield from _nested(child, f"{path}.allOf[{index}]", skip_any=skip_first_all and index == 0)
    for index, child in enumerate(schema.get("oneOf") or ()):
        yield from _nested(child, f"{path}.oneOf[{index}]")
    if isinstance(schema.get("not"), dict):
        yield from _nested(schema["not"], f"{path}.not")
    if schema.get("pattern"):
        try:
            compile_pattern(schema["pattern"])
        except PatternError as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            yield fields.invalid(f"{path}.pattern", schema["pattern"], why)


def _nested(schema: Raw, path: str, *, skip_any: bool = False) -> Iterator[Cause]:
    yield from _values(schema, path, skip_any=skip_any)
    if isinstance(schema.get("items"), dict):
        yield from _nested(schema["items"], f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from _nested(child, f"{path}.properties[{name}]")
    for name, why in _FORBIDDEN.items():
        if schema.get(name) not in (None, "", [], False):
            yield fields.forbidden(f"{path}.{name}", why)
    if "metadata" in (schema.get("properties") or {}):
        yield fields.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _complete(schema: Raw, path: str) -> Iterator[Cause]:
    """What junctors speak of must be declared outside of them."""
    for name in ("anyOf", "allOf", "oneOf"):
        for child in schema.get(name) or ():
            yield from _declared(child, schema, path)
    if isinstance(schema.get("not"), dict):
        yield from _declared(schema["not"], schema, path)
    if isinstance(schema.get("items"), dict):
        yield from _complete(schema["items"], f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from _complete(child, f"{path}.properties[{name}]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _complete(schema["additionalProperties"], f"{path}.additionalProperties")


def _declared(nested: Raw, schema: Raw, path: str) -> Iterator[Cause]:
    for name in ("anyOf", "allOf", "oneOf"):
        for child in nested.get(name) or ():
            yield from _declared(child, schema, path)
    if isinstance(nested.get("not"), dict):
        yield from _declared(nested["not"], schema, path)
    if isinstance(nested.get("items"), dict):
        if isinstance(schema.get("items"), dict):
            yield from _declared(nested["items"], schema["items"], f"{path}.items")
        else:
            why = "because it is defined in the value validation"  # upstream: completeness of items
            yield fields.required(f"{path}.items", f"must not be empty {why}")
    for name, child in (nested.get("properties") or {}).items():
        place = f"{path}.properties[{name}]"
        own = (schema.get("properties") or {}).get(name)
        if own is not None:
            yield from _declared(child, own, place)
        elif not isinstance(schema.get("additionalProperties"), dict):
            yield fields.required(place, "because it is defined in the value validation")
