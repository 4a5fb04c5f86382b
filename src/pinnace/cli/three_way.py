"""The patch that `apply` sends: what the manifest says differently from the server, and what it no longer says.

For built-in kinds a strategic merge patch (lists merge by key, with directives for deletion and order), else a merge patch.
Pure. https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#merge-patch-calculation
"""

from typing import Any

from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]


def patch_for(original: Object, modified: Object, current: Object, schema: Schema | None) -> Object:
    """`original` is what was applied last ({} if nothing), `modified` the manifest, `current` the server's object."""
    return _objects(original, modified, current, schema)


def _objects(original: Object, modified: Object, current: Object, schema: Schema | None) -> Object:
    patch: Object = {}
    for name, value in modified.items():
        child = schema.child(name) if schema is not None else None
        if value is None:
            if _says_null(name, original, current, schema):
                patch[name] = None
        elif name not in current or current[name] is None:
            patch[name] = value
        elif isinstance(value, dict) and isinstance(current[name], dict) and not _replaces(child):
            before = original.get(name)
            inner = _objects(before if isinstance(before, dict) else {}, value, current[name], child)
            if inner:
                patch[name] = inner
        elif (
            isinstance(value, list)
            and isinstance(current[name], list)
            and child is not None
            and _merges(child)
        ):
            before = original.get(name)
            patch.update(
                _lists(name, before if isinstance(before, list) else [], value, current[name], child)
            )
        elif value != current[name]:
            patch[name] = value
    for name in original:
        if name not in modified and name in current:
            patch[name] = None
    if patch and schema is not None and "retainKeys" in schema.patch_strategies:
        patch["$retainKeys"] = sorted(modified)
    return patch


def _says_null(name: str, original: Object, current: Object, schema: Schema | None) -> bool:
    """A merge patch takes away once what the manifest has as null; a strategic one says so each time."""
    if schema is None:
        return original.get(name, "") is not None
    return name not in current or current[name] is not None


def _replaces(schema: Schema | None) -> bool:
    return schema is not None and "replace" in schema.patch_strategies


def _merges(schema: Schema) -> bool:
    return "merge" in schema.patch_strategies


def _lists(name: str, original: list[Any], modified: list[Any], current: list[Any], schema: Schema) -> Object:
    if schema.merge_key and all(isinstance(item, dict) for item in [*original, *modified, *current]):
        return _keyed(name, original, modified, current, schema)
    added = [item for item in modified if item not in current]
    removed = [item for item in original if item not in modified and item in current]
    patch: Object = {}
    if added:
        patch[name] = added
    if removed:
        patch[f"$deleteFromPrimitiveList/{name}"] = removed
    if patch and modified:
        patch[f"$setElementOrder/{name}"] = modified
    return patch


def _keyed(name: str, original: list[Any], modified: list[Any], current: list[Any], schema: Schema) -> Object:
    key = schema.merge_key
    before, now = ({item.get(key): item for item in items} for items in (original, current))
    changes: list[Object] = []
    kept = set()
    for item in modified:
        identity = item.get(key)
        kept.add(identity)
        if identity not in now:
            changes.append(item)
            continue
        inner = _objects(before.get(identity, {}), item, now[identity], schema.element)
        if inner:
            changes.append({**inner, key: identity})
    changes += [{"$patch": "delete", key: gone} for gone in before if gone not in kept and gone in now]
    if not changes:
        return {}
    order = [{key: item.get(key)} for item in modified]
    return {name: changes, **({f"$setElementOrder/{name}": order} if order else {})}
