"""GET of a collection with `watch=true`: a stream of events, those that are ready together in one write.

The events follow each other in the body of the answer, or come as the messages of a WebSocket when the client upgrades.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Iterator

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.handlers.event_forms import EventForm, event_form
from pinnace.apiserver.handlers.options import integer, scope_of, watch_options
from pinnace.apiserver.metrics import WatchEvents
from pinnace.apiserver.negotiation import YAML, Accepted, media_of, negotiate
from pinnace.apiserver.representations import WATCH_FORMS
from pinnace.apiserver.request import Answer, Request, StreamingResponse
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.component.clock import Clock
from pinnace.net.upgrade_headers import asks_for_websocket


async def handle(request: Request, row: Resource) -> Answer:
    accepted = _accepted(request, row)
    registry = request.services.registries.of(row.gvr)
    if request.info.name_in_path:  # the old /watch/ form of one object
        request.query["fieldSelector"] = [f"metadata.name={request.info.name}"]  # type: ignore[index]
    scope = scope_of(request, request.info.namespace, registry.strategy)
    options = watch_options(request, scope)
    lasting = _duration(request)
    form = event_form(request, registry, accepted)
    try:
        watch = await registry.storage.watch(options)
    except errors.Expired as error:  # told inside the stream, as upstream's watch cache does
        watch = _failed(error)
    sent = request.services.metrics.events_of(*row.gvr)
    if asks_for_websocket(request.headers):
        from pinnace.apiserver.handlers.watch_socket import over_websocket  # few clients ask for it

        return over_websocket(watch, form, open_for(watch, lasting, request.services.clock), sent)
    return StreamingResponse(
        _stream(watch, form, lasting, request.services.clock, sent), content_type=form.content_type
    )


def _accepted(request: Request, row: Resource) -> Accepted:
    """YAML has no stream."""
    offered = tuple(media for media in media_of(row.gvr.api_version, row.kind) if media != YAML)
    return negotiate(request.headers.get("Accept", ""), forms=WATCH_FORMS, offered=offered)


def _duration(request: Request) -> float:
    """`timeoutSeconds`, else something between the configured minimum and its double, so that watches end spread out."""
    asked = integer(request, "timeoutSeconds")
    if asked:
        return float(asked)
    least = request.services.config.min_request_timeout_seconds
    return least * (1 + random.random())


def _failed(error: errors.StatusError) -> ObjectWatch:
    """A watch that says only why it is none."""
    watch = ObjectWatch(Scope(), bookmarks=False, on_close=lambda _: None)
    watch.end(error)
    return watch


async def _end_later(watch: ObjectWatch, seconds: float, clock: Clock) -> None:
    await clock.sleep(seconds)
    watch.end()


@contextlib.contextmanager
def open_for(watch: ObjectWatch, seconds: float, clock: Clock) -> Iterator[None]:
    timer = asyncio.create_task(_end_later(watch, seconds, clock), name="end of a watch")
    try:
        yield
    finally:
        timer.cancel()
        watch.close()


async def _stream(
    watch: ObjectWatch, form: EventForm, lasting: float, clock: Clock, sent: WatchEvents
) -> AsyncGenerator[bytes, None]:
    with open_for(watch, lasting, clock):
        try:
            async for events in watch.batches():
                messages = form.messages(events)
                sent.sent(messages)
                yield form.joined(messages)
        except errors.StatusError as error:
            yield form.joined([form.error(error)])
