"""Strategic merge as kustomize does it: new list elements stand in front, lists without a merge key are replaced.

Not the API server's merge (`pinnace.apimachinery.patch.strategic`): order and directives differ.
"""

from typing import Any

from pinnace.apimachinery.schema import Schema
from pinnace.cli.kustomize.errors import BuildError

Object = dict[str, Any]
GONE = object()  # what is deleted


def merged(base: Any, patch: Any, schema: Schema | None) -> Any:
    """`base` (changed in place) with `patch` on it; GONE when the patch deletes it."""
    if patch is None:
        return GONE
    if isinstance(patch, dict):
        return _merged_object(base, patch, schema)
    if isinstance(patch, list):
        if not isinstance(base, list) or not _is_associative(schema):
            return _new_list(patch)
        assert schema is not None
        return _merged_list(base, patch, schema)
    return patch


def _merged_object(base: Any, patch: Object, schema: Schema | None) -> Any:
    directive = patch.get("$patch")
    fields = {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return GONE
    if directive == "replace":
        return fields
    if directive not in (None, "merge"):
        raise BuildError(f"unknown patch strategy '{directive}'")
    if base is not None and not isinstance(base, dict):
        raise BuildError("wrong node kind: expected ScalarNode but got MappingNode")
    result: Object = base if base is not None else {}
    for key, value in fields.items():
        new = merged(result.get(key), value, schema.child(key) if schema is not None else None)
        if new is GONE:
            result.pop(key, None)
        else:
            result[key] = new
    return result


def _new_list(patch: list[Any]) -> list[Any]:
    """A list of a patch where there is none to merge with: its directives have done their work."""
    found = []
    for item in patch:
        new = merged(None, item, None) if isinstance(item, dict) else item
        if new is not GONE:
            found.append(new)
    return found


def _is_associative(schema: Schema | None) -> bool:
    return schema is not None and ("merge" in schema.patch_strategies or bool(schema.merge_key))


def _merged_list(base: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    keys = schema.list_keys or ((schema.merge_key,) if schema.merge_key else ())
    if not keys:
        return list(dict.fromkeys([*patch, *base]))
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    rest, front = list(base), []
    for item in patch:
        known = [key for key in keys if key in item] or list(keys)
        old = next((one for one in rest if all(one.get(key) == item.get(key) for key in known)), None)
        new = merged(old, item, schema.element)
        if old is not None:
            rest = [one for one in rest if one is not old]
        if new is not GONE:
            front.append(new)
    return [*front, *rest]
