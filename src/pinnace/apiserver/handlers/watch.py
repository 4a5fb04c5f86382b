"""GET of a collection with `watch=true`: a stream of JSON events, those that are ready together in one write."""

import asyncio
import random
from collections.abc import AsyncGenerator

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.handlers.options import integer, scope_of, watch_options
from pinnace.apiserver.handlers.render import EventForm
from pinnace.apiserver.negotiation import negotiate
from pinnace.apiserver.representations import WATCH_FORMS, event_line
from pinnace.apiserver.request import Answer, Request, StreamingResponse
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.component.clock import Clock

STREAM_TYPE = "application/json"


async def handle(request: Request, row: Resource) -> Answer:
    accepted = negotiate(_without_stream(request.headers.get("Accept", "")), forms=WATCH_FORMS)
    if accepted.is_yaml:
        raise errors.NotAcceptable("watch streams are JSON: only application/json is accepted")
    registry = request.services.registries.of(row.gvr)
    if request.info.name_in_path:  # the old /watch/ form of one object
        request.query["fieldSelector"] = [f"metadata.name={request.info.name}"]  # type: ignore[index]
    scope = scope_of(request, request.info.namespace, registry.strategy)
    options = watch_options(request, scope)
    lasting = _duration(request)
    try:
        watch = await registry.storage.watch(options)
    except errors.Expired as error:  # told inside the stream, as upstream's watch cache does
        return StreamingResponse(_only(error), content_type=STREAM_TYPE)
    return StreamingResponse(
        _stream(watch, EventForm(request, registry, accepted), lasting, request.services.clock),
        content_type=STREAM_TYPE,
    )


def _without_stream(accept: str) -> str:
    return accept.replace(";stream=watch", "")


def _duration(request: Request) -> float:
    """`timeoutSeconds`, else something between the configured minimum and its double, so that watches end spread out."""
    asked = integer(request, "timeoutSeconds")
    if asked:
        return float(asked)
    least = request.services.config.min_request_timeout_seconds
    return least * (1 + random.random())


async def _only(error: errors.StatusError) -> AsyncGenerator[bytes, None]:
    yield event_line("ERROR", errors.status_of(error))


async def _end_later(watch: ObjectWatch, seconds: float, clock: Clock) -> None:
    await clock.sleep(seconds)
    watch.end()


async def _stream(
    watch: ObjectWatch, form: EventForm, lasting: float, clock: Clock
) -> AsyncGenerator[bytes, None]:
    timer = asyncio.create_task(_end_later(watch, lasting, clock), name="end of a watch")
    try:
        async for events in watch.batches():
            yield form.encode(events)
    finally:
        timer.cancel()
        watch.close()
