"""Exec and attach: carry a WebSocket client's channels to a backend that speaks SPDY (containerd's streaming server).

Upstream's API server does this translation for clients of v5 (StreamTranslatorHandler); here the kubelet does it for
every WebSocket version. SPDY clients need none of it: their bytes are spliced through.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from pinnace.net import channels
from pinnace.net.channels import ChannelProtocol
from pinnace.net.spdy import Session, Stream


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams the client asked for; a terminal has no stderr of its own, and takes sizes."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False

    def roles(self) -> list[tuple[int, str]]:
        """(channel, stream type) in the order in which upstream's client opens them."""
        rows = (
            (True, channels.ERROR, "error"),
            (self.stdin, channels.STDIN, "stdin"),
            (self.stdout, channels.STDOUT, "stdout"),
            (self.stderr and not self.tty, channels.STDERR, "stderr"),
            (self.tty, channels.RESIZE, "resize"),
        )
        return [(channel, kind) for wanted, channel, kind in rows if wanted]


async def relay(
    socket: web.WebSocketResponse, protocol: ChannelProtocol, wanted: Wanted, session: Session
) -> None:
    """Run until the command ended or the client left; then both sides are closed.

    `session` is a client session that has not run yet, fresh from the upgrade with a v4 channel protocol.
    """
    running = asyncio.create_task(session.run())
    try:
        streams = {
            channel: await session.open_stream({channels.STREAM_TYPE: kind})
            for channel, kind in wanted.roles()
        }
        await _say_open(socket, protocol, streams)
        leaving = asyncio.create_task(_client_to_backend(socket, protocol, streams))
        ended = asyncio.create_task(_backend_to_client(socket, protocol, streams))
        await asyncio.wait((leaving, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, ended):
            task.cancel()
        await asyncio.gather(leaving, ended, return_exceptions=True)
    except ConnectionError as error:
        await _send(socket, protocol, channels.ERROR, _failure_bytes(protocol, str(error)))
    finally:
        with contextlib.suppress(OSError):
            await session.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with contextlib.suppress(OSError):
            await socket.close()


async def _say_open(
    socket: web.WebSocketResponse, protocol: ChannelProtocol, streams: dict[int, Stream]
) -> None:
    """An empty message on the lowest channel that we write to: clients take it for "the streams are there"."""
    first = min(
        channel for channel in streams if channel in (channels.STDOUT, channels.STDERR, channels.ERROR)
    )
    await _send(socket, protocol, first, b"")


async def _client_to_backend(
    socket: web.WebSocketResponse, protocol: ChannelProtocol, streams: dict[int, Stream]
) -> None:
    """Input and terminal sizes; returns when the client closes."""
    inputs = {channels.STDIN, channels.RESIZE} & streams.keys()
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            return
        try:
            channel, data = protocol.decode(message.data)
        except ValueError:
            continue
        with contextlib.suppress(
            ConnectionError
        ):  # the command may have closed its input: later bytes go nowhere
            if protocol.has_close and channel == channels.CLOSE and data and data[0] in inputs:
                await streams[data[0]].write_eof()
            elif channel in inputs:
                await streams[channel].write(data)


async def _backend_to_client(
    socket: web.WebSocketResponse, protocol: ChannelProtocol, streams: dict[int, Stream]
) -> None:
    """Output as it comes; the outcome last, as the client stops reading there."""
    outputs = [
        asyncio.create_task(_copy(streams[channel], socket, protocol, channel))
        for channel in (channels.STDOUT, channels.STDERR)
        if channel in streams
    ]
    try:
        outcome = await streams[channels.ERROR].read_all()
        await asyncio.gather(*outputs)
    finally:
        for task in outputs:
            task.cancel()
    if not outcome and protocol.has_status:
        outcome = _failure_bytes(protocol, "the container runtime closed the connection without a result")
    if protocol.has_status:
        await _send(socket, protocol, channels.ERROR, outcome)
    elif text := _old_error(outcome):
        await _send(socket, protocol, channels.ERROR, text)


async def _copy(
    stream: Stream, socket: web.WebSocketResponse, protocol: ChannelProtocol, channel: int
) -> None:
    while data := await stream.read():
        await _send(socket, protocol, channel, data)


async def _send(socket: web.WebSocketResponse, protocol: ChannelProtocol, channel: int, data: bytes) -> None:
    message = protocol.encode(channel, data)
    if isinstance(message, str):
        await socket.send_str(message)
    else:
        await socket.send_bytes(message)


def _failure_bytes(protocol: ChannelProtocol, message: str) -> bytes:
    status = {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    return json.dumps(status).encode() if protocol.has_status else message.encode()


def _old_error(outcome: bytes) -> bytes:
    """Before v4 the error channel carried only the message of a failure."""
    try:
        status: dict[str, Any] = json.loads(outcome)
    except ValueError:
        return outcome
    return b"" if status.get("status") == "Success" else str(status.get("message", "")).encode()
