"""A SPDY/3.1 session with its streams over a byte stream, as client or as server.

    session = Session(transport, server=False)
    running = asyncio.create_task(session.run())         # reads frames until the transport ends
    stdin = await session.open_stream({"streamtype": "stdin"})
    await stdin.write(b"..."); await stdin.write_eof()   # half-close
    await session.close()

Habits follow spdystream, the other end in kubectl and containerd: it drops data on a stream whose SYN_REPLY it has not
sent or seen, so `open_stream` waits for the reply and a server replies before it hands the stream out; it knows no flow
control, so a stream whose reader is slow holds up the connection instead (backpressure through TCP).
"""

import asyncio
import contextlib
from collections import deque

from pinnace.net import spdy_frames as frames
from pinnace.net.spdy_frames import HeaderMap
from pinnace.net.streams import ByteStream

LARGEST_WRITE = 32 * 1024
STREAM_BUFFER = 512 * 1024
MAX_STREAMS = 1000


class StreamReset(ConnectionResetError):
    """The peer gave the stream up (RST_STREAM), or the session ended under it."""


class Stream:
    """One stream of a session; a `ByteStream`. `headers` are those it was opened with."""

    def __init__(self, session: "Session", stream_id: int, headers: HeaderMap) -> None:
        self.id, self.headers = stream_id, headers
        self._session = session
        self._waiting: deque[bytes] = deque()
        self._buffered = 0
        self._ended = self._finished = self._broken = False
        self._changed = asyncio.Event()
        self.replied: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        """The next bytes; `b""` after the peer's half-close, its reset, or the end of the session."""
        while not self._waiting and not self._ended:
            await self._wait()
        if not self._waiting:
            return b""
        data = self._waiting.popleft()
        self._buffered -= len(data)
        self._notify()
        return data

    async def read_all(self, limit: int = 1024 * 1024) -> bytes:
        """Everything until the end, at most `limit` bytes."""
        parts, size = [], 0
        while size < limit and (part := await self.read()):
            parts.append(part)
            size += len(part)
        return b"".join(parts)[:limit]

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), LARGEST_WRITE):
            if self._finished or self._broken:
                raise StreamReset(f"stream {self.id} is closed")
            await self._session.send(frames.Data(self.id, data[start : start + LARGEST_WRITE]))

    async def write_eof(self) -> None:
        """Half-close: the peer sees the end, and we may still read."""
        if not self._finished and not self._broken:
            self._finished = True
            await self._session.send(frames.Data(self.id, b"", fin=True))
            self._session.forget_if_over(self)

    async def reset(self, status: int = frames.CANCEL) -> None:
        """Give the stream up in both directions."""
        if not self.is_over:
            self.broken()
            await self._session.send(frames.RstStream(self.id, status))
            self._session.forget_if_over(self)

    async def close(self) -> None:
        """Half-close if the peer has finished already, else reset."""
        with contextlib.suppress(ConnectionError):
            await (self.write_eof() if self._ended else self.reset())

    @property
    def is_over(self) -> bool:
        return self._broken or (self._ended and self._finished)

    async def received(self, data: bytes) -> None:
        """From the session: bytes arrived. Waits while the reader is behind."""
        while self._buffered > STREAM_BUFFER and not self._ended:
            await self._wait()
        if data and not self._ended:
            self._waiting.append(data)
            self._buffered += len(data)
            self._notify()

    def ended(self) -> None:
        """From the session: the peer half-closed."""
        self._ended = True
        self._notify()

    def broken(self) -> None:
        """From the session: no more bytes in either direction; what arrived can still be read."""
        self._ended = self._broken = True
        if not self.replied.done():
            self.replied.set_exception(StreamReset(f"stream {self.id} was refused"))
            self.replied.exception()  # marks it as seen, should nobody wait
        self._notify()

    async def _wait(self) -> None:
        changed = self._changed
        await changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Session:
    """Both roles differ only in the parity of the ids that they give out."""

    def __init__(self, transport: ByteStream, *, server: bool) -> None:
        self._transport = transport
        self._own_parity = 0 if server else 1
        self._next_id = 2 if server else 1
        self._last_peer_id = 0
        self._streams: dict[int, Stream] = {}
        self._accepted: asyncio.Queue[Stream | None] = asyncio.Queue()
        self._writer = frames.FrameWriter()
        self._sending = asyncio.Lock()
        self._answers: set[asyncio.Task[None]] = set()
        self._gone = self._closed = False

    async def run(self) -> None:
        """Read frames until the transport ends; then every stream has ended too. Raises ProtocolError."""
        reader = frames.FrameReader()
        try:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                while data := await self._transport.read():
                    for frame in reader.feed(data):
                        await self._handle(frame)
        finally:
            self._gone = True
            for stream in list(self._streams.values()):
                stream.broken()
            self._streams.clear()
            self._accepted.put_nowait(None)

    async def open_stream(self, headers: HeaderMap) -> Stream:
        """A new stream, once the peer has replied. Raises StreamReset when it refuses or is gone."""
        if self._gone:
            raise StreamReset("the session is closed")
        stream = Stream(self, self._next_id, headers)
        self._next_id += 2
        self._streams[stream.id] = stream
        await self.send(frames.SynStream(stream.id, headers))
        await stream.replied
        return stream

    async def accept(self) -> Stream | None:
        """The next stream that the peer opened (we have replied already); None when the session is over."""
        stream = await self._accepted.get()
        if stream is None:
            self._accepted.put_nowait(None)
        return stream

    async def send(self, frame: frames.Frame) -> None:
        """Write one frame, in order with all others."""
        async with self._sending:
            if self._closed:
                raise StreamReset("the session is closed")
            await self._transport.write(self._writer.encode(frame))

    def forget_if_over(self, stream: Stream) -> None:
        if stream.is_over:
            self._streams.pop(stream.id, None)

    async def close(self) -> None:
        """Say goodbye (GOAWAY) and close the transport."""
        if not self._closed:
            with contextlib.suppress(ConnectionError):
                await self.send(frames.GoAway(self._last_peer_id))
            self._closed = True
        await self._transport.close()

    async def _handle(self, frame: frames.Frame) -> None:
        match frame:
            case frames.Data(stream_id, data, fin):
                await self._data(stream_id, data, fin)
            case frames.SynStream():
                await self._opened(frame)
            case frames.SynReply(stream_id, _, fin):
                if stream := self._streams.get(stream_id):
                    if not stream.replied.done():
                        stream.replied.set_result(None)
                    if fin:
                        self._ended(stream)
            case frames.RstStream(stream_id, _):
                if stream := self._streams.pop(stream_id, None):
                    stream.broken()
            case frames.Ping(ping_id) if ping_id % 2 != self._own_parity:
                self._answer(frame)
            case frames.GoAway():
                self._gone = True
            case frames.MoreHeaders(stream_id, _, True):
                if stream := self._streams.get(stream_id):
                    self._ended(stream)
            case _:
                pass  # SETTINGS, WINDOW_UPDATE, answers to pings: nothing to do

    async def _data(self, stream_id: int, data: bytes, fin: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return  # over already: spdystream drops such data as well
        await stream.received(data)
        if fin:
            self._ended(stream)

    def _ended(self, stream: Stream) -> None:
        stream.ended()
        self.forget_if_over(stream)

    async def _opened(self, frame: frames.SynStream) -> None:
        stream_id = frame.stream_id
        if stream_id % 2 == self._own_parity or stream_id <= self._last_peer_id:
            self._answer(frames.RstStream(stream_id, frames.PROTOCOL_ERROR))
            return
        self._last_peer_id = stream_id
        if len(self._streams) >= MAX_STREAMS:
            self._answer(frames.RstStream(stream_id, frames.REFUSED_STREAM))
            return
        stream = Stream(self, stream_id, frame.headers)
        stream.replied.set_result(None)
        self._streams[stream_id] = stream
        if frame.fin:
            stream.ended()
        await self.send(frames.SynReply(stream_id))
        self._accepted.put_nowait(stream)

    def _answer(self, frame: frames.Frame) -> None:
        """Send without making the reading wait: the peer may be reading only after we do."""
        task = asyncio.create_task(self._send_quietly(frame))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _send_quietly(self, frame: frames.Frame) -> None:
        with contextlib.suppress(OSError):
            await self.send(frame)
