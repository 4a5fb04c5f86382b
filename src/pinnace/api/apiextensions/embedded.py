"""The metadata of objects inside objects (`x-kubernetes-embedded-resource`), and elements of sets and keyed lists."""

from collections.abc import Iterator
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.api.apiextensions.values import key_of
from pinnace.apimachinery.errors import BadRequest, Cause
from pinnace.apimachinery.schema import Schema
from pinnace.apimachinery.structural.node import Structural

Object = dict[str, Any]


def coerce(node: Structural, value: Any, object_meta: Schema, *, drop_wrong: bool = False) -> list[str]:
    """Bring the metadata of the object and of objects inside it into shape, in place: unknown fields go, their paths are
    told. A wrong type raises BadRequest, or is dropped with `drop_wrong` (what lies in the store must be readable)."""
    dropped: list[str] = []
    for path, obj in _objects(node, value, ""):
        for name in ("apiVersion", "kind"):
            if name in obj and not isinstance(obj[name], str):
                if not drop_wrong:
                    raise BadRequest(f"{_join(path, name)}: Invalid value: must be a string")
                del obj[name]
        if "metadata" in obj:
            dropped += _coerce_metadata(obj, _join(path, "metadata"), object_meta, drop_wrong)
    return dropped


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _coerce_metadata(obj: Object, path: str, object_meta: Schema, drop_wrong: bool) -> list[str]:
    own = obj["metadata"]
    if not isinstance(own, dict):
        if own is not None and not drop_wrong:
            raise BadRequest(f"{path}: Invalid value: must be an object")
        del obj["metadata"]
        return []
    problems = object_meta.prune(own)
    wrong = [problem for problem in problems if problem.kind == "type"]
    if wrong and not drop_wrong:
        raise BadRequest(wrong[0].message)
    for problem in wrong:
        own.pop(problem.path.partition(".")[0].partition("[")[0], None)
    return [_join(path, problem.path) for problem in problems if problem.kind == "unknown"]


def _objects(node: Structural, value: Any, path: str) -> Iterator[tuple[str, Object]]:
    """Every value below (and including) this one that is an object with metadata of its own."""
    if isinstance(value, dict):
        if node.is_object_root:
            yield path, value
        for name, item in value.items():
            child = node.properties.get(name) or node.additional
            if child is not None and isinstance(item, dict | list):
                yield from _objects(child, item, _join(path, name))
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            yield from _objects(node.items, item, f"{path}[{index}]")


def validate_embedded(node: Structural, obj: Object) -> list[Cause]:
    """Objects inside the object need apiVersion and kind, and metadata that makes sense."""
    found: list[Cause] = []
    for path, inner in _objects(node, obj, ""):
        if not path:
            continue
        for name in ("apiVersion", "kind"):
            if not inner.get(name):
                found.append(fields.required(f"{path}.{name}", "must not be empty"))
        own = inner.get("metadata")
        if isinstance(own, dict):
            found += _validate_metadata(own, f"{path}.metadata")
    return found


def _validate_metadata(own: Object, path: str) -> list[Cause]:
    found: list[Cause] = []
    for name in ("name", "generateName"):
        if own.get(name):
            rule = names.dns_subdomain
            text = own[name] if name == "name" else names.without_trailing_dash(own[name])
            found += fields.all_invalid(f"{path}.{name}", own[name], rule(text))
    if own.get("namespace"):
        found += fields.all_invalid(f"{path}.namespace", own["namespace"], names.dns_label(own["namespace"]))
    found += metadata.validate_labels(own.get("labels"), f"{path}.labels")
    found += metadata.validate_annotations(own.get("annotations"), f"{path}.annotations")
    return found


def validate_lists(node: Structural, value: Any, path: str = "") -> list[Cause]:
    """Sets hold no element twice, keyed lists no key."""
    found: list[Cause] = []
    if isinstance(value, dict):
        for name, item in value.items():
            child = node.properties.get(name) or node.additional
            if child is not None and isinstance(item, dict | list):
                found += validate_lists(child, item, _join(path, name))
    elif isinstance(value, list) and node.items is not None:
        seen: set[str] = set()
        for index, item in enumerate(value):
            here = f"{path}[{index}]"
            if node.list_type in ("set", "map"):
                found += _duplicate(node, item, here, seen)
            found += validate_lists(node.items, item, here)
    return found


def _duplicate(node: Structural, item: Any, path: str, seen: set[str]) -> list[Cause]:
    if node.list_type == "map":
        if not isinstance(item, dict):
            return [fields.invalid(path, item, "must be an object for an array of list-type map")]
        shown: Any = {name: item[name] for name in node.list_keys if name in item}
        key = key_of(node, item)
    else:
        shown, key = item, fields.text(_ordered(item))
    if key in seen:
        return [fields.duplicate(path, shown)]
    seen.add(key)
    return []


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
