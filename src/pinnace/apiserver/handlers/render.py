"""Answers from items: the one place where a handler's result meets the negotiated form and the resource's version."""

from collections.abc import Sequence
from datetime import datetime

from pinnace.api.columns import TableDef, table_for
from pinnace.apiserver import representations as forms
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Accepted
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Request, Response
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult
from pinnace.apiserver.tables import Row, TableForm, single, table


def _table_form(request: Request, accepted: Accepted) -> TableForm:
    return TableForm.of_query(accepted.meta_version, request.param("includeObject"))


def item_response(
    request: Request, registry: Registry, item: Item, accepted: Accepted, status: int = 200
) -> Response:
    if accepted.form == PARTIAL:
        return forms.document(forms.partial(item, accepted.meta_version), accepted, status)
    if accepted.form == TABLE:
        row = Row(registry.served_object(item), registry.served(item))
        body = single(
            table_for(registry.row.gvr), row, request.services.clock.now(), _table_form(request, accepted)
        )
        return forms.whole(body, accepted, status)
    return forms.whole(registry.served(item), accepted, status)


def list_response(request: Request, registry: Registry, result: ListResult, accepted: Accepted) -> Response:
    if accepted.form == PARTIAL_LIST:
        return forms.document(forms.partial_list(result, accepted.meta_version), accepted)
    if accepted.form == TABLE:
        rows = [Row(registry.served_object(item), registry.served(item)) for item in result.items]
        body = table(
            table_for(registry.row.gvr), rows, request.services.clock.now(), _table_form(request, accepted),
            metadata=forms.list_metadata(result),
        )  # fmt: skip
        return forms.whole(body, accepted)
    return forms.whole(forms.list_body(registry, result), accepted)


class EventForm:
    """Turns batches of events into the bytes of a watch stream."""

    def __init__(self, request: Request, registry: Registry, accepted: Accepted) -> None:
        self._registry, self._accepted, self._clock = registry, accepted, request.services.clock
        self._table: TableDef | None = None
        if accepted.form == TABLE:
            self._table, self._form = table_for(registry.row.gvr), _table_form(request, accepted)
        self._headers_due = True

    def encode(self, events: Sequence[StorageEvent]) -> bytes:
        if self._table is not None:
            now = self._clock.now()
            return b"".join(self._table_line(self._table, event, now) for event in events)
        if self._accepted.form == PARTIAL:
            version = self._accepted.meta_version
            return b"".join(
                forms.event_line(event.type, forms.partial(event.item, version)) for event in events
            )
        if self._registry.converts:
            return b"".join(
                forms.raw_event_line(event.type, self._registry.served(event.item)) for event in events
            )
        return forms.event_lines(events)

    def _table_line(self, definition: TableDef, event: StorageEvent, now: datetime) -> bytes:
        """Bookmarks stay tables too, without rows that mean anything: upstream does the same."""
        row = Row(self._registry.served_object(event.item))
        body = single(definition, row, now, self._form, headers=self._headers_due)
        self._headers_due = False
        return forms.raw_event_line(event.type, body)
