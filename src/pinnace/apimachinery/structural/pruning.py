"""Dropping what a structural schema does not know, in place, and telling the paths of it."""

from typing import Any

from pinnace.apimachinery.structural.node import Structural

_META_FIELDS = frozenset(("apiVersion", "kind", "metadata"))
_OPAQUE = Structural({"x-kubernetes-preserve-unknown-fields": True})


def prune(node: Structural, value: Any) -> list[str]:
    """The paths (`spec.foo[0].bar`) that were dropped."""
    dropped: list[str] = []
    _visit(node, value, "", dropped)
    return dropped


def _visit(node: Structural, value: Any, path: str, dropped: list[str]) -> None:
    if value.__class__ is dict:
        _visit_object(node, value, path, dropped)
    elif value.__class__ is list:
        items = node.items
        if items is None and not node.preserves_unknown:
            return
        for index, item in enumerate(value):
            if item.__class__ is dict or item.__class__ is list:
                _visit(items or _OPAQUE, item, f"{path}[{index}]", dropped)


def _visit_object(node: Structural, value: dict[str, Any], path: str, dropped: list[str]) -> None:
    gone = None
    for name, item in value.items():
        if node.is_object_root and name in _META_FIELDS:
            continue  # metadata has a fixed shape: see `embedded`
        child = node.properties.get(name) or node.additional
        if child is None:
            if node.preserves_unknown:
                continue
            gone = [*(gone or ()), name]
        elif item.__class__ is dict or item.__class__ is list:
            _visit(child, item, f"{path}.{name}" if path else name, dropped)
    for name in gone or ():
        del value[name]
        dropped.append(f"{path}.{name}" if path else name)
