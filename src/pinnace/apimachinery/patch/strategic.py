"""Strategic merge patch: lists merge by key where the schema says so, and directives in the patch steer the rest.

Directives: `$patch` (replace, delete, merge), `$retainKeys`, `$setElementOrder/FIELD`, `$deleteFromPrimitiveList/FIELD`.
Behaviour: https://git.k8s.io/community/contributors/devel/sig-api-machinery/strategic-merge-patch.md
A field that the schema does not know merges as an object or is replaced, and is left for decoding to refuse.
"""

from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.patch import element_order
from pinnace.apimachinery.patch.go_text import go_text
from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"


def apply(document: Object, patch: Any, schema: Schema | None) -> Object:
    """The patched document; raises BadRequest for a malformed patch or directive."""
    if not isinstance(patch, dict):
        raise errors.BadRequest("error decoding patch: invalid JSON document")
    return _merge_object(deep_copy(document), deep_copy(patch), schema)


def _merge_object(original: Object, patch: Object, schema: Schema | None) -> Object:
    """Merge into `original`; both are private to this patch and may be changed."""
    directive = patch.get(PATCH)
    if directive not in (None, "merge", "replace", "delete"):
        raise errors.BadRequest(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")
    patch.pop(PATCH, None)
    if directive in ("replace", "delete"):
        return patch if directive == "replace" else {}
    _retain_keys(original, patch)
    for name in [name for name in patch if name.startswith(SET_ORDER)]:
        _merge_ordered(original, patch, name, schema)
    for name in [name for name in patch if name.startswith(DELETE_FROM)]:
        _delete_from(original, name.removeprefix(DELETE_FROM), patch.pop(name))
    for name, value in patch.items():
        _merge_field(original, name, value, schema.child(name) if schema else None)
    return original


def _merge_field(original: Object, name: str, value: Any, schema: Schema | None) -> None:
    if value is None:
        original.pop(name, None)
        return
    current = original.get(name)
    if isinstance(current, dict) and isinstance(value, dict):
        replaced = schema is not None and "replace" in schema.patch_strategies
        original[name] = value if replaced else _merge_object(current, value, schema)
    elif isinstance(current, list) and isinstance(value, list) and _merges(schema):
        assert schema is not None
        merged = _merge_list(current, value, schema)
        inserted = [item for item in value if not (isinstance(item, dict) and PATCH in item)]
        original[name] = element_order.restored(merged, inserted, current, schema.merge_key)
    else:
        kept = _without_directives(value)
        if kept is not _DELETED:
            original[name] = kept


def _merges(schema: Schema | None) -> bool:
    return schema is not None and "merge" in schema.patch_strategies


def _merge_list(original: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    """The union, original elements first; see `element_order` for the final order."""
    if any(isinstance(item, list) for item in [*original, *patch]):
        raise errors.BadRequest("lists of lists are not supported")
    if not any(isinstance(item, dict) for item in [*original, *patch]):
        return list(dict.fromkeys([*original, *patch]))
    if not schema.merge_key:
        raise errors.BadRequest("cannot merge lists without merge key")
    original, patch = _apply_element_directives(original, patch, schema.merge_key)
    merged = list(original)
    places = {
        item.get(schema.merge_key): place for place, item in enumerate(merged) if isinstance(item, dict)
    }
    for item in patch:
        identity = _identity(item, schema.merge_key)
        place = places.get(identity)
        if place is None:
            places[identity] = len(merged)
            merged.append(_without_directives(item))
        else:
            merged[place] = _merge_object(merged[place], item, schema.element)
    return merged


def _identity(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict) or item.get(merge_key) is None:
        raise errors.BadRequest(f"map: {go_text(item)} does not contain declared merge key: {merge_key}")
    identity = item[merge_key]
    if isinstance(identity, dict | list):
        raise errors.BadRequest(
            f"map: {go_text(item)} has no plain value at the declared merge key: {merge_key}"
        )
    return identity


def _apply_element_directives(
    original: list[Any], patch: list[Any], merge_key: str
) -> tuple[list[Any], list[Any]]:
    """Elements that delete others, or that turn the merge into a replacement."""
    plain, replaces = [], False
    for item in patch:
        directive = item.get(PATCH) if isinstance(item, dict) else None
        if directive == "delete":
            doomed = _identity(item, merge_key)
            original = [one for one in original if not isinstance(one, dict) or one.get(merge_key) != doomed]
        elif directive == "replace":
            replaces = True
        elif directive in (None, "merge"):
            plain.append(item)
        else:
            raise errors.BadRequest(f"unknown patch type: {go_text(directive)} in map: {go_text(item)}")
    return ([_without_directives(item) for item in plain], []) if replaces else (original, plain)


def _retain_keys(original: Object, patch: Object) -> None:
    if RETAIN_KEYS not in patch:
        return
    retained = patch.pop(RETAIN_KEYS)
    is_valid = _is_list_of_names(retained) and all(
        name in retained for name, value in patch.items() if value is not None and not name.startswith("$")
    )
    if not is_valid:
        raise errors.BadRequest("invalid patch format of retainKeys")
    for name in original.keys() - set(retained):
        del original[name]


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _delete_from(original: Object, name: str, doomed: Any) -> None:
    if not isinstance(doomed, list) or any(isinstance(item, dict | list) for item in doomed):
        raise errors.BadRequest("invalid patch format of primitive list")
    current = original.get(name)
    if isinstance(current, list):
        original[name] = [item for item in current if item not in doomed]


def _merge_ordered(original: Object, patch: Object, directive: str, schema: Schema | None) -> None:
    """Merge one list now, and put it in the order that the directive asks for."""
    name, order = directive.removeprefix(SET_ORDER), patch.pop(directive)
    child = schema.child(name) if schema else None
    merge_key = child.merge_key if child else ""
    current, changes = original.get(name), patch.get(name)
    if not isinstance(order, list):
        raise errors.BadRequest("invalid patch format of setElementOrder list")
    if isinstance(changes, list):
        del patch[name]
        wanted = [item for item in changes if not (isinstance(item, dict) and PATCH in item)]
        element_order.check_patch_follows(wanted, order, merge_key)
    if isinstance(current, list) and isinstance(changes, list):
        merged = _merge_list(current, changes, child) if child and _merges(child) else changes
    elif isinstance(current, list):
        merged = current
    elif isinstance(changes, list):
        merged = _without_directives(changes)
    else:
        return
    original[name] = element_order.restored(
        merged, order, current if isinstance(current, list) else [], merge_key
    )


_DELETED = object()


def _without_directives(value: Any) -> Any:
    """A part of the patch that meets no original: its content alone, or `_DELETED` when it only deletes."""
    if isinstance(value, dict):
        if value.get(PATCH) == "delete":
            return _DELETED
        named = ((name, item) for name, item in value.items() if not _is_directive(name) and item is not None)
        kept = ((name, _without_directives(item)) for name, item in named)
        return {name: item for name, item in kept if item is not _DELETED}
    if isinstance(value, list):
        content = [item for item in value if not (isinstance(item, dict) and item.keys() == {PATCH})]
        return [item for item in map(_without_directives, content) if item is not _DELETED]
    return value


def _is_directive(name: str) -> bool:
    return name in (PATCH, RETAIN_KEYS) or name.startswith((SET_ORDER, DELETE_FROM))
