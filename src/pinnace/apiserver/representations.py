"""The forms in which objects leave the server: as stored, as YAML, as a Table, as metadata only; single, listed, watched."""

from collections.abc import Sequence
from typing import Any

import orjson

from pinnace.api.resources import Resource
from pinnace.apiserver.bodies import encode_yaml
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, Accepted
from pinnace.apiserver.request import Response
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult

Object = dict[str, Any]
ITEM_FORMS = frozenset((PARTIAL,))
LIST_FORMS = frozenset((PARTIAL_LIST,))
WATCH_FORMS = frozenset((PARTIAL,))


def whole(body: bytes, accepted: Accepted, status: int = 200) -> Response:
    if accepted.is_yaml:
        return Response(encode_yaml(body), status, accepted.media)
    return Response(body, status)


def document(obj: Any, accepted: Accepted, status: int = 200) -> Response:
    return whole(orjson.dumps(obj), accepted, status)


def list_metadata(result: ListResult) -> Object:
    metadata: Object = {"resourceVersion": result.resource_version}
    if result.continue_token:
        metadata["continue"] = result.continue_token
    if result.remaining_item_count is not None:
        metadata["remainingItemCount"] = result.remaining_item_count
    return metadata


def list_body(row: Resource, result: ListResult) -> bytes:
    """The stored bytes of the items, joined."""
    head = orjson.dumps(
        {"kind": row.list_kind, "apiVersion": row.gvr.api_version, "metadata": list_metadata(result)}
    )
    return b'%b,"items":[%b]}' % (head[:-1], result.joined())


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


def event_lines(events: Sequence[StorageEvent]) -> bytes:
    return b"".join([event.line for event in events])


def event_line(kind: str, obj: Object) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), orjson.dumps(obj))
