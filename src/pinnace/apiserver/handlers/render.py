"""Answers from items: the one place where a handler's result meets the negotiated form and the resource's version."""

from collections.abc import Sequence

from pinnace.apiserver import representations as forms
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, Accepted
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Request, Response
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult


def item_response(
    request: Request, registry: Registry, item: Item, accepted: Accepted, status: int = 200
) -> Response:
    if accepted.form == PARTIAL:
        return forms.document(forms.partial(item, accepted.meta_version), accepted, status)
    return forms.whole(registry.served(item), accepted, status)


def list_response(request: Request, registry: Registry, result: ListResult, accepted: Accepted) -> Response:
    if accepted.form == PARTIAL_LIST:
        return forms.document(forms.partial_list(result, accepted.meta_version), accepted)
    return forms.whole(forms.list_body(registry.row, result), accepted)


class EventForm:
    """Turns batches of events into the bytes of a watch stream."""

    def __init__(self, request: Request, registry: Registry, accepted: Accepted) -> None:
        self._registry, self._accepted = registry, accepted

    def encode(self, events: Sequence[StorageEvent]) -> bytes:
        if self._accepted.form == PARTIAL:
            version = self._accepted.meta_version
            return b"".join(
                forms.event_line(event.type, forms.partial(event.item, version)) for event in events
            )
        return forms.event_lines(events)
