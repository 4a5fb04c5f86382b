"""Whether an applied configuration fits its schema, in the words of upstream's typed patch objects."""

from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.apply import fields, shapes
from pinnace.apimachinery.gvk import GVK, parse_api_version
from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]

_NOUNS = {dict: "map", list: "list", str: "string", bool: "boolean"}


def check_typed(applied: Object, schema: Schema | None) -> None:
    """Raises BadRequest with all findings: undeclared fields, wrong types, duplicate or keyless list elements."""
    if schema is None:
        return
    found: list[str] = []
    _visit(applied, schema, (), found)
    if not found:
        return
    metadata = applied.get("metadata") if isinstance(applied.get("metadata"), dict) else {}
    place = f"{(metadata or {}).get('namespace') or ''}/{(metadata or {}).get('name') or ''}"
    gvk = GVK(*parse_api_version(str(applied.get("apiVersion"))), str(applied.get("kind")))
    text = found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])
    raise errors.BadRequest(
        f"failed to create typed patch object ({place}; {gvk.group}/{gvk.version}, Kind={gvk.kind}): {text}"
    )


def _visit(value: Any, schema: Schema, path: fields.Path, found: list[str]) -> None:
    if value is None or schema.kind == "any":
        return
    wanted = _mismatch(value, schema)
    if wanted:
        noun = _NOUNS.get(type(value), "number")
        found.append(f"{fields.path_text(path)}: expected {wanted}, got {noun}")
    elif schema.kind == "struct":
        for name, item in value.items():
            child, here = schema.fields.get(name), (*path, fields.field_element(name))
            if child is not None:
                _visit(item, child, here, found)
            elif not schema.preserves_unknown:
                found.append(f"{fields.path_text(here)}: field not declared in schema")
    elif schema.kind == "map" and schema.element is not None:
        for name, item in value.items():
            _visit(item, schema.element, (*path, fields.field_element(name)), found)
    elif schema.kind == "list" and schema.element is not None:
        _visit_list(value, schema, path, found)


def _visit_list(value: list[Any], schema: Schema, path: fields.Path, found: list[str]) -> None:
    assert schema.element is not None
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if shapes.shape_of(schema, value) == "list":
            try:
                element = shapes.element_of(schema, item)
            except shapes.KeyMissing as error:
                found.append(f"{fields.path_text(path)}: element {index}: {error}")
                continue
            if element in seen:
                found.append(
                    f"{fields.path_text(path)}: duplicate entries for key {fields.path_text((element,))}"
                )
            seen.add(element)
        _visit(item, schema.element, (*path, element), found)


def _mismatch(value: Any, schema: Schema) -> str:
    """What the schema wants instead; "" when the value fits."""
    match schema.kind:
        case "struct" | "map":
            return "" if isinstance(value, dict) else "map"
        case "list":
            return "" if isinstance(value, list) else "list"
        case "string" | "bytes" | "time":
            return "" if isinstance(value, str) else "string"
        case "boolean":
            return "" if isinstance(value, bool) else "boolean"
        case "integer" | "number":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return "" if is_number else "numeric (int or float)"
        case "quantity" | "int-or-string":
            is_fine = isinstance(value, str | int | float) and not isinstance(value, bool)
            return "" if is_fine else "scalar"
    return ""
