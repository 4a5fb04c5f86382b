"""The forms in which objects leave the server: as stored, as YAML or protobuf, as metadata only; single, listed, watched."""

import asyncio
from collections.abc import Iterator
from functools import partial as partial_of
from typing import Any

import orjson

from pinnace.apimachinery.protobuf import codec
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, TABLE
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Pieces, Response
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult

Object = dict[str, Any]
ITEM_FORMS = frozenset((TABLE, PARTIAL))
LIST_FORMS = frozenset((TABLE, PARTIAL_LIST))
WATCH_FORMS = frozenset((TABLE, PARTIAL))
ENCODED_AT_ONCE = 64  # items, some 5 ms
JOINED_AT_ONCE = 256 * 1024


def list_metadata(result: ListResult) -> Object:
    metadata: Object = {"resourceVersion": result.resource_version}
    if result.continue_token:
        metadata["continue"] = result.continue_token
    if result.remaining_item_count is not None:
        metadata["remainingItemCount"] = result.remaining_item_count
    return metadata


def list_answer(registry: Registry, result: ListResult) -> Response:
    """The stored bytes of the items, unless they are served in another version; a long list is joined while it is sent."""
    row = registry.row
    facts = {"kind": row.list_kind, "apiVersion": row.gvr.api_version, "metadata": list_metadata(result)}
    head = b'%b,"items":[' % orjson.dumps(facts)[:-1]
    items = (
        list(map(registry.served, result.items)) if registry.converts else [item.raw for item in result.items]
    )
    length = len(head) + sum(map(len, items)) + max(0, len(items) - 1) + 2
    if length <= JOINED_AT_ONCE:
        return Response(b"%b%b]}" % (head, b",".join(items)))
    return Response(pieces=Pieces(length, partial_of(_list_pieces, head, items, length)))


def _list_pieces(head: bytes, items: list[bytes], length: int) -> Iterator[bytes]:
    """Memory for a piece is used again, and stays in the processor's cache; that for 80 MB at once does not."""
    count = max(1, len(items) * JOINED_AT_ONCE // length)
    for begin in range(0, len(items), count):
        yield head + b",".join(items[begin : begin + count])
        head = b","
    yield b"]}"


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
