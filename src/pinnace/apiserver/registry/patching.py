"""Patches of the four kinds as functions from a document to a new document."""

from collections.abc import Callable, Collection
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.schema import Schema
from pinnace.apiserver.bodies import json_type
from pinnace.client.interface import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH

Object = dict[str, Any]
APPLY_TYPES = (APPLY_PATCH,)
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, *APPLY_TYPES)


def patcher(schema: Schema | None, media: str, change: Any) -> Callable[[Object], Any]:
    """Raises BadRequest for a patch that has not the shape of its type."""
    if media == JSON_PATCH:
        if not isinstance(change, list):
            raise errors.BadRequest(f"error decoding patch: {_no_value(change, '[]handlers.jsonPatchOp')}")
        from pinnace.apimachinery.patch import json_patch

        return lambda document: json_patch.apply(document, change)
    if not isinstance(change, dict):
        prefix = "error decoding patch: " if media == MERGE_PATCH else ""
        raise errors.BadRequest(f"{prefix}{_no_value(change, 'map[string]interface {}')}")
    if media == MERGE_PATCH:
        from pinnace.apimachinery.patch import merge_patch

        return lambda document: merge_patch.apply(document, change)
    from pinnace.apimachinery.patch import strategic

    return lambda document: strategic.apply(document, change, schema)


_IDENTITY = frozenset(("name", "namespace", "uid", "resourceVersion"))


def reach(media: str, change: Any) -> Collection[str] | None:
    """The top-level fields that a patch may change; None where it has directives for the whole, or paths instead of fields.

    Metadata that only says which object is meant does not count.
    """
    if media not in (MERGE_PATCH, STRATEGIC_MERGE_PATCH) or any(name.startswith("$") for name in change):
        return None
    metadata = change.get("metadata")
    if isinstance(metadata, dict) and metadata.keys() <= _IDENTITY and all(map(_is_text, metadata.values())):
        return change.keys() - {"metadata"}
    return change.keys()


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _no_value(change: Any, wanted: str) -> str:
    return f"json: cannot unmarshal {json_type(change)} into Go value of type {wanted}"
