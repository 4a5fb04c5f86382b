"""Filling in a structural schema's defaults, in place; nulls where none are allowed count as absent."""

from typing import Any

from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.structural.node import Structural


def default(node: Structural, value: Any) -> bool:
    """Whether anything changed."""
    if value.__class__ is dict:
        return _default_object(node, value)
    if value.__class__ is list and node.items is not None:
        items, changed = node.items, False
        for index, item in enumerate(value):
            if item is None and not items.nullable and items.has_default:
                value[index], changed = deep_copy(items.default), True
            changed |= default(items, value[index])
        return changed
    return False


def _default_object(node: Structural, value: dict[str, Any]) -> bool:
    changed = False
    for name, child in node.properties.items():
        if child.has_default and (name not in value or (value[name] is None and not child.nullable)):
            value[name], changed = deep_copy(child.default), True
    gone = None
    for name, item in value.items():
        below = node.properties.get(name) or node.additional
        if below is None:
            continue
        if item is None and not below.nullable:
            if below.has_default:
                value[name], changed = deep_copy(below.default), True
            elif below.type or below.is_int_or_string:
                gone = [*(gone or ()), name]
        elif item.__class__ is dict or item.__class__ is list:
            changed |= default(below, item)
    for name in gone or ():
        del value[name]
    return changed or bool(gone)
