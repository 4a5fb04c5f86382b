"""Patches of the four kinds as functions from a document to a new document."""

from collections.abc import Callable
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.schema import Schema
from pinnace.client.interface import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH

Object = dict[str, Any]
APPLY_TYPES = (APPLY_PATCH,)
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, *APPLY_TYPES)


def patcher(schema: Schema | None, media: str, change: Any) -> Callable[[Object], Any]:
    """Raises BadRequest for a patch that has not the shape of its type."""
    if media == JSON_PATCH:
        if not isinstance(change, list):
            raise errors.BadRequest("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        from pinnace.apimachinery.patch import json_patch

        return lambda document: json_patch.apply(document, change)
    if not isinstance(change, dict):
        raise errors.BadRequest("error decoding patch: the patch must be a JSON object")
    if media == MERGE_PATCH:
        from pinnace.apimachinery.patch import merge_patch

        return lambda document: merge_patch.apply(document, change)
    from pinnace.apimachinery.patch import strategic

    return lambda document: strategic.apply(document, change, schema)
