"""JSON merge patch (RFC 7386): objects merge, null removes, anything else replaces."""

from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.copies import deep_copy


def apply(document: dict[str, Any], patch: Any) -> dict[str, Any]:
    """The patched document; raises BadRequest when the patch is not an object."""
    if not isinstance(patch, dict):
        found = "array" if isinstance(patch, list) else "string" if isinstance(patch, str) else "value"
        raise errors.BadRequest(
            f"error decoding patch: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )
    merged: dict[str, Any] = deep_copy(_merged(document, patch))
    return merged


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
