"""Validation of the OpenAPI v3 schema of one version: what a structural schema may say, with upstream's sentences.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/validation.go
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pinnace.api import fields
from pinnace.api.apiextensions import default_validation, rule_validation, structure_validation
from pinnace.apimachinery.errors import Cause

Raw = dict[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_META = frozenset(("apiVersion", "kind", "metadata"))
_AT_ROOT = (
    "Description", "Type", "Format", "Title", "Maximum", "ExclusiveMaximum", "Minimum", "ExclusiveMinimum", "MaxLength",
    "MinLength", "Pattern", "MaxItems", "MinItems", "UniqueItems", "MultipleOf", "Required", "Items", "Properties",
    "ExternalDocs", "Example", "XPreserveUnknownFields", "XValidations",
)  # fmt: skip
_NAMES_AT_ROOT = frozenset(
    (
        *(name[0].lower() + name[1:] for name in _AT_ROOT),
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
)
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the schema we are."""

    defaults_forbidden: str | None = None  # why no default may stand here
    in_meta: bool = False


def validate(schema: Raw, path: str, has_status: bool, old: Raw | None = None) -> list[Cause]:
    found = [*_root(schema, path, has_status)]
    structure = structure_validation.validate(schema, path)
    found += structure or default_validation.validate(schema, path)
    found += _visit(schema, path, _Place(), is_root=True)
    if not found:
        found += rule_validation.validate(schema, path, old)
    return found


def _root(schema: Raw, path: str, has_status: bool) -> Iterator[Cause]:
    if has_status:
        for name, value in schema.items():
            if name == "type":
                if value != "object":
                    why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
                    yield fields.invalid(f"{path}.type", value, why)
                    break
            elif value and name not in _NAMES_AT_ROOT:
                why = (
                    f"only [{' '.join(_AT_ROOT)}] fields are allowed at the root of the schema if the status subresource "
                    "is enabled"
                )
                yield fields.invalid(path, schema, why)
                break
    if schema.get("nullable"):
        yield fields.forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _visit(schema: Raw, path: str, place: _Place, *, is_root: bool = False) -> list[Cause]:
    found = [*_simple(schema, path, place)]
    values = schema.get("additionalProperties")
    if values is not None and schema.get("properties") and values is not True:
        why = "additionalProperties and properties are mutual exclusive"
        found.append(fields.forbidden(f"{path}.additionalProperties", why))
    if isinstance(values, dict):
        inner = (
            replace(place, defaults_forbidden="inside additionalProperties applying to object metadata")
            if place.in_meta
            else place
        )
        found += _visit(values, f"{path}.additionalProperties", inner)
    for name, child in (schema.get("properties") or {}).items():
        inner = place
        if (is_root or schema.get("x-kubernetes-embedded-resource")) and name in _META:
            inner = replace(place, in_meta=True)
            if is_root:
                inner = replace(inner, defaults_forbidden=f"in top-level {name}")
        found += _visit(child, f"{path}.properties[{name}]", inner)
    if isinstance(schema.get("not"), dict):
        found += _visit(schema["not"], f"{path}.not", place)
    for name in ("allOf", "oneOf", "anyOf"):
        for index, child in enumerate(schema.get(name) or ()):
            found += _visit(child, f"{path}.{name}[{index}]", place)
    if isinstance(schema.get("items"), dict):
        found += _visit(schema["items"], f"{path}.items", place)
    found += _extensions(schema, path)
    found += rule_validation.check_shape(schema, path)
    return found


def _simple(schema: Raw, path: str, place: _Place) -> Iterator[Cause]:
    kind = schema.get("type")
    if kind == "null":
        yield fields.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in TYPES:
        yield fields.not_supported(f"{path}.type", kind, TYPES)
    if schema.get("default") is not None and place.defaults_forbidden is not None:
        yield fields.forbidden(f"{path}.default", f"must not be set {place.defaults_forbidden}".rstrip())
    for name in _UNSUPPORTED:
        if schema.get(name) not in (None, "", {}):
            yield fields.forbidden(f"{path}.{name}", f"{name} is not supported")
    if isinstance(schema.get("items"), list):
        yield fields.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_meta and schema.get("x-kubernetes-embedded-resource"):
        yield fields.forbidden(
            f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta"
        )
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield fields.forbidden(f"{path}.uniqueItems", why)


def _extensions(schema: Raw, path: str) -> list[Cause]:
    found: list[Cause] = []
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        found.append(
            fields.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
        )
    map_type, list_type = schema.get("x-kubernetes-map-type"), schema.get("x-kubernetes-list-type")
    if map_type is not None:
        found += _typed(schema, path, "object", "x-kubernetes-map-type")
        if map_type not in ("atomic", "granular"):
            found.append(
                fields.not_supported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))
            )
    keys, place = schema.get("x-kubernetes-list-map-keys"), f"{path}.x-kubernetes-list-type"
    if list_type is not None:
        wrong = _typed(schema, path, "array", "x-kubernetes-list-type")
        found += wrong or (_set(schema, path) if list_type == "set" else [])
        if list_type not in ("atomic", "set", "map"):
            found.append(fields.not_supported(place, list_type, ("atomic", "set", "map")))
    if keys:
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        if list_type is None:
            found.append(fields.required(place, why))
        elif list_type != "map":
            found.append(fields.invalid(place, list_type, why))
    if list_type == "map":
        found += _map(schema, path, keys or [])
    if list_type in ("map", "set") and isinstance(schema.get("items"), dict):
        found += _elements(schema, path, list_type, keys or [])
    return found


def _typed(schema: Raw, path: str, wanted: str, because: str) -> list[Cause]:
    kind, why = schema.get("type"), f"must be {wanted} if {because} is specified"
    if kind == wanted:
        return []
    return [fields.invalid(f"{path}.type", kind, why)] if kind else [fields.required(f"{path}.type", why)]


def _set(schema: Raw, path: str) -> list[Cause]:
    items = schema.get("items")
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if isinstance(items, dict):
        kind = items.get("type")
        if kind == "array" and items.get("x-kubernetes-list-type", "atomic") != "atomic":
            return [
                fields.invalid(f"{path}.items.x-kubernetes-list-type", items["x-kubernetes-list-type"], why)
            ]
        if kind == "object" and items.get("x-kubernetes-map-type") != "atomic":
            return [
                fields.invalid(f"{path}.items.x-kubernetes-map-type", items.get("x-kubernetes-map-type"), why)
            ]
    return []


def _map(schema: Raw, path: str, keys: list[str]) -> Iterator[Cause]:
    items, place = schema.get("items"), f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        yield fields.required(place, "must not be empty if x-kubernetes-list-type is map")
    if items is None:
        yield fields.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        why = "must be object if parent array's x-kubernetes-list-type is map"
        yield fields.invalid(f"{path}.items.type", items.get("type", ""), why)
        return
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield fields.invalid(place, keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield fields.invalid(f"{path}.items.properties[{key}].type", items["type"], why)
        if key in keys[:index]:
            yield fields.invalid(place, keys, "must not contain duplicate entries")


def _elements(schema: Raw, path: str, list_type: str, keys: list[str]) -> Iterator[Cause]:
    """Elements of sets and keyed lists must always have what tells them apart."""
    items = schema["items"]
    if items.get("nullable"):
        why = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        yield fields.forbidden(f"{path}.items.nullable", why)
    for key in keys if list_type == "map" else ():
        child = (items.get("properties") or {}).get(key)
        if child is None:
            continue
        place, what = (
            f"{path}.items.properties[{key}]",
            "this property is in x-kubernetes-list-map-keys, so it",
        )
        if key not in (items.get("required") or ()) and child.get("default") is None:
            yield fields.required(f"{place}.default", f"{what} must have a default or be a required property")
        if child.get("nullable"):
            yield fields.forbidden(f"{place}.nullable", f"{what} cannot be nullable")
