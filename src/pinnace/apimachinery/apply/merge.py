"""Merging an applied configuration into a live object, and taking fields out of an object again."""

from typing import Any

from pinnace.apimachinery.apply import fields, shapes
from pinnace.apimachinery.apply.fields import Fields
from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]


def merged(live: Any, applied: Any, schema: Schema | None) -> Any:
    """`applied` on top of `live`; neither is changed, parts are shared. Null means absent."""
    shape = shapes.shape_of(schema, applied)
    if shape == "map":
        base = live if shapes.shape_of(schema, live) == "map" else {}
        result = dict(base)
        for name, item in applied.items():
            if item is None:
                result.pop(name, None)
            else:
                result[name] = merged(base.get(name), item, shapes.child_of(schema, name))
        return result
    if shape == "list" and isinstance(live, list):
        assert schema is not None
        return _merged_lists(live, applied, schema)
    return applied


def _merged_lists(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    before, after = shapes.indexed(schema, live), shapes.indexed(schema, applied)
    result = []
    for element in _merged_order(list(before), list(after)):
        if element not in after:
            result.append(before[element])
        elif element not in before:
            result.append(merged(None, after[element], schema.element))
        else:
            result.append(merged(before[element], after[element], schema.element))
    return result


def _merged_order(live: list[str], applied: list[str]) -> list[str]:
    """Applied elements in their order; what only the live list has stays ahead of what it preceded there."""
    known, wanted = set(live), set(applied)
    result: list[str] = []
    position = 0
    for index, element in enumerate(applied):
        target = next((other for other in applied[index:] if other in known), None)
        while position < len(live) and live[position] != target:
            if live[position] not in wanted:
                result.append(live[position])
            position += 1
        if element == target:
            position += 1
        result.append(element)
    return result + [element for element in live[position:] if element not in wanted]


def with_named_ancestors(tree: Fields, schema: Schema | None) -> Fields:
    """The set in which every declared field on the way to a member is a member too."""
    result: Fields = {}
    for element, subtree in tree.items():
        if element == fields.SELF:
            continue
        name = element[2:] if element.startswith("f:") else ""
        child = shapes.child_of(schema, name) if name else schema.element if schema else None
        is_member = fields.is_member(subtree) or bool(name and shapes.is_declared(schema, name))
        inner = fields.node(is_member, with_named_ancestors(fields.below(subtree), child))
        if inner is not None:
            result[element] = inner
    return result


def without(value: Any, doomed: Fields, schema: Schema | None) -> Any:
    """The value without the members of `doomed` and all below them; None when nothing is left of it."""
    shape = shapes.shape_of(schema, value)
    if shape == "map":
        kept = {}
        for name, item in value.items():
            subtree = doomed.get(fields.field_element(name))
            child = shapes.child_of(schema, name)
            left = item if subtree is None else _reduced(item, subtree, child)
            if subtree is None or left is not None:
                kept[name] = left
        return kept or None
    if shape == "list":
        assert schema is not None
        found = []
        for position, item in enumerate(value):
            try:
                element = shapes.element_of(schema, item)
            except shapes.KeyMissing:
                element = f"i:{position}"
            subtree = doomed.get(element)
            left = item if subtree is None else _reduced(item, subtree, schema.element)
            if subtree is None or left is not None:
                found.append(left)
        return found or None
    return value


def _reduced(item: Any, subtree: Fields, schema: Schema | None) -> Any:
    return None if fields.is_member(subtree) else without(item, subtree, schema)
