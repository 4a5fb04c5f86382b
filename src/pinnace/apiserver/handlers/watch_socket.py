"""A watch whose events come as the messages of a WebSocket."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager

from aiohttp import web

from pinnace.apimachinery import errors
from pinnace.apiserver.handlers.event_forms import EventForm
from pinnace.apiserver.metrics import WatchEvents
from pinnace.apiserver.request import UpgradeResponse
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.net.websocket import accept_websocket, offered_protocols

_TOKEN_PROTOCOL = "base64url.bearer.authorization."  # no subprotocol: how browsers send their token


def over_websocket(
    watch: ObjectWatch, form: EventForm, is_open: AbstractContextManager[None], sent: WatchEvents
) -> UpgradeResponse:
    async def serve(http: web.BaseRequest) -> web.StreamResponse:
        with is_open:
            offered = [name for name in offered_protocols(http) if not name.startswith(_TOKEN_PROTOCOL)]
            socket = await accept_websocket(http, offered[0] if offered else "")
            reader = asyncio.create_task(_until_closed(socket, watch), name="close of a watch")
            try:
                await _send(socket, watch, form, sent)
            finally:
                reader.cancel()
            await socket.close()
            return socket

    return UpgradeResponse(serve)


async def _until_closed(socket: web.WebSocketResponse, watch: ObjectWatch) -> None:
    """The client has nothing to say, but only reading shows that it has gone."""
    async for _ in socket:
        pass
    watch.end()


async def _send(
    socket: web.WebSocketResponse, watch: ObjectWatch, form: EventForm, sent: WatchEvents
) -> None:
    with contextlib.suppress(ConnectionError):
        async with contextlib.aclosing(_batches(watch, form)) as batches:
            async for messages in batches:
                sent.sent(messages)
                for message in messages:
                    if form.is_text:
                        await socket.send_str(message.decode())
                    else:
                        await socket.send_bytes(message)


async def _batches(watch: ObjectWatch, form: EventForm) -> AsyncGenerator[list[bytes], None]:
    """Messages that are ready together. An error is the last one."""
    try:
        async for events in watch.batches():
            yield form.messages(events)
    except errors.StatusError as error:
        yield [form.error(error)]
