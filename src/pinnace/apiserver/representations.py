"""The forms in which objects leave the server: as stored, as YAML, as a Table, as metadata only; single, listed, watched."""

from collections.abc import Sequence
from typing import Any

import orjson

from pinnace.apiserver.bodies import encode_yaml
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Accepted
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Response
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult

Object = dict[str, Any]
ITEM_FORMS = frozenset((TABLE, PARTIAL))
LIST_FORMS = frozenset((TABLE, PARTIAL_LIST))
WATCH_FORMS = frozenset((TABLE, PARTIAL))


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


def list_body(registry: Registry, result: ListResult) -> bytes:
    """The stored bytes of the items, joined, unless they are served in another version."""
    row = registry.row
    head = orjson.dumps(
        {"kind": row.list_kind, "apiVersion": row.gvr.api_version, "metadata": list_metadata(result)}
    )
    joined = b",".join(map(registry.served, result.items)) if registry.converts else result.joined()
    return b'%b,"items":[%b]}' % (head[:-1], joined)


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
    return raw_event_line(kind, orjson.dumps(obj))


def raw_event_line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), raw)
