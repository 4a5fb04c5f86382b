"""The forms in which objects leave the server: as stored, as YAML or protobuf, as metadata only; single, listed, watched."""

import asyncio
from typing import Any

import orjson

from pinnace.apimachinery.protobuf import codec
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, TABLE
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult

Object = dict[str, Any]
ITEM_FORMS = frozenset((TABLE, PARTIAL))
LIST_FORMS = frozenset((TABLE, PARTIAL_LIST))
WATCH_FORMS = frozenset((TABLE, PARTIAL))
ENCODED_AT_ONCE = 64  # items, some 5 ms


def list_metadata(result: ListResult) -> Object:
    metadata: Object = {"resourceVersion": result.resource_version}
    if result.continue_token:
        metadata["continue"] = result.continue_token
    if result.remaining_item_count is not None:
        metadata["remainingItemCount"] = result.remaining_item_count
    return metadata


def list_body(registry: Registry, result: ListResult) -> bytes:
    """The stored bytes of the items, joined, unless they are served in another version."""
    row = registry.row
    head = orjson.dumps(
        {"kind": row.list_kind, "apiVersion": row.gvr.api_version, "metadata": list_metadata(result)}
    )
    joined = b",".join(map(registry.served, result.items)) if registry.converts else result.joined()
    return b'%b,"items":[%b]}' % (head[:-1], joined)


def item_protobuf(registry: Registry, item: Item) -> bytes:
    row = registry.row
    return codec.envelope(row.gvr.api_version, row.kind, [registry.message(item)])


async def list_protobuf(registry: Registry, result: ListResult) -> bytes:
    """Encoding thousands of items for the first time takes a while: others get their turn in between."""
    row, messages = registry.row, []
    for number, item in enumerate(result.items):
        if number % ENCODED_AT_ONCE == ENCODED_AT_ONCE - 1:
            await asyncio.sleep(0)
        messages.append(registry.message(item))
    return codec.encode_list(row.gvr.api_version, row.list_kind, list_metadata(result), messages)


def partial(item: Item, meta_version: str) -> Object:
    return {
        "kind": PARTIAL,
        "apiVersion": f"meta.k8s.io/{meta_version}",
        "metadata": item.obj["metadata"],
    }


def partial_list(result: ListResult, meta_version: str) -> Object:
    return {
        "kind": PARTIAL_LIST,
        "apiVersion": f"meta.k8s.io/{meta_version}",
        "metadata": list_metadata(result),
        "items": [partial(item, meta_version) for item in result.items],
    }
