"""Events of a watch as the messages of its stream: JSON lines or protobuf; objects whole, as Tables or as metadata only."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson

from pinnace.apimachinery import errors
from pinnace.apimachinery.protobuf import codec
from pinnace.apiserver.handlers.render import table_form
from pinnace.apiserver.negotiation import JSON, PARTIAL, TABLE, Accepted
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.representations import partial
from pinnace.apiserver.request import Request
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.tables import Row, single


class JsonEvents:
    """`{"type":...,"object":...}` and a line break."""

    content_type = JSON
    is_text = True

    def __init__(self, registry: Registry, accepted: Accepted) -> None:
        self._registry, self._version = registry, accepted.meta_version
        self._only_metadata = accepted.form == PARTIAL

    def messages(self, events: Sequence[StorageEvent]) -> list[bytes]:
        if self._only_metadata:
            return [line(e.type, orjson.dumps(partial(e.item, self._version))) for e in events]
        if self._registry.converts:
            return [line(event.type, self._registry.served(event.item)) for event in events]
        return [event.line for event in events]

    def error(self, error: errors.StatusError) -> bytes:
        return line("ERROR", orjson.dumps(errors.status_of(error)))

    def joined(self, messages: Iterable[bytes]) -> bytes:
        """As they follow each other in an HTTP body."""
        return b"".join(messages)


class TableEvents(JsonEvents):
    def __init__(self, registry: Registry, accepted: Accepted, request: Request) -> None:
        super().__init__(registry, accepted)
        self._clock = request.services.clock
        self._definition, self._form = registry.table, table_form(request, accepted)
        self._headers_due = True

    def messages(self, events: Sequence[StorageEvent]) -> list[bytes]:
        now = self._clock.now()
        return [self._table_line(event, now) for event in events]

    def _table_line(self, event: StorageEvent, now: datetime) -> bytes:
        """Bookmarks stay tables too, without rows that mean anything: upstream does the same."""
        row = Row(self._registry.served_object(event.item))
        body = single(self._definition, row, now, self._form, headers=self._headers_due)
        self._headers_due = False
        return line(event.type, body)


class ProtobufEvents:
    """`WatchEvent` messages, each with its length before it where they share a stream."""

    content_type = codec.STREAM_TYPE
    is_text = False

    def __init__(self, registry: Registry, accepted: Accepted) -> None:
        self._registry, self._version = registry, accepted.meta_version
        self._only_metadata = accepted.form == PARTIAL

    def messages(self, events: Sequence[StorageEvent]) -> list[bytes]:
        if self._only_metadata:
            return [
                codec.encode_event(e.type, codec.encode_object(partial(e.item, self._version)))
                for e in events
            ]
        api_version, kind = self._registry.row.gvr.api_version, self._registry.row.kind
        if self._registry.converts:
            return [
                codec.encode_event(e.type, codec.envelope(api_version, kind, [self._registry.message(e.item)]))
                for e in events
            ]  # fmt: skip
        return [event.message(api_version, kind) for event in events]

    def error(self, error: errors.StatusError) -> bytes:
        return codec.encode_event("ERROR", codec.encode_object(errors.status_of(error)))

    def joined(self, messages: Iterable[bytes]) -> bytes:
        return b"".join([codec.frame(message) for message in messages])


EventForm = JsonEvents | ProtobufEvents


def event_form(request: Request, registry: Registry, accepted: Accepted) -> EventForm:
    if accepted.is_protobuf:
        return ProtobufEvents(registry, accepted)
    if accepted.form == TABLE:
        return TableEvents(registry, accepted, request)
    return JsonEvents(registry, accepted)


def line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), raw)
