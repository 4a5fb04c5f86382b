import asyncio
from collections.abc import AsyncIterator

import pytest

from pinnace.net import spdy_frames as frames
from pinnace.net.spdy import Session, Stream, StreamReset
from pinnace.net.streams import ByteStream, pipe
from pinnace.testing.wait import eventually


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Session, Session]]:
    left, right = pipe(limit=4096)
    client, server = Session(left, server=False), Session(right, server=True)
    tasks = [asyncio.create_task(session.run()) for session in (client, server)]
    yield client, server
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def joined(pair: tuple[Session, Session]) -> tuple[Stream, Stream]:
    client, server = pair
    ours = await client.open_stream({"streamtype": "stdin"})
    theirs = await server.accept()
    assert theirs is not None
    return ours, theirs


async def test_a_stream_carries_headers_and_data_both_ways_and_half_closes(
    pair: tuple[Session, Session],
) -> None:
    ours, theirs = await joined(pair)
    assert theirs.headers == {"streamtype": "stdin"}
    await ours.write(b"question")
    await ours.write_eof()
    assert await theirs.read_all() == b"question"
    await theirs.write(b"answer")
    await theirs.write_eof()
    assert await ours.read_all() == b"answer"


async def test_large_data_arrives_whole(pair: tuple[Session, Session]) -> None:
    ours, theirs = await joined(pair)
    data = bytes(range(256)) * 8000

    async def send() -> None:
        await ours.write(data)
        await ours.write_eof()

    sending = asyncio.create_task(send())
    assert await theirs.read_all(limit=10_000_000) == data
    await sending


async def test_a_reset_lets_the_reader_have_what_arrived_and_fails_the_writer(
    pair: tuple[Session, Session],
) -> None:
    ours, theirs = await joined(pair)
    await theirs.write(b"last words")
    await theirs.reset()
    assert await ours.read_all() == b"last words"
    with pytest.raises(StreamReset):
        await ours.write(b"more")


async def test_closing_the_session_ends_the_streams_of_both_sides(pair: tuple[Session, Session]) -> None:
    client, server = pair
    ours, theirs = await joined(pair)
    await client.close()
    assert await theirs.read() == b""
    assert await ours.read() == b""
    assert await server.accept() is None
    assert await server.accept() is None


async def test_many_streams_at_once_do_not_mix(pair: tuple[Session, Session]) -> None:
    client, server = pair

    async def echo() -> None:
        while stream := await server.accept():
            await stream.write((await stream.read_all()).upper())
            await stream.write_eof()

    async def ask(number: int) -> bytes:
        stream = await client.open_stream({"number": str(number)})
        await stream.write(f"question {number}".encode())
        await stream.write_eof()
        return await stream.read_all()

    serving = asyncio.create_task(echo())
    answers = await asyncio.gather(*(ask(number) for number in range(20)))
    assert answers == [f"QUESTION {number}".encode() for number in range(20)]
    serving.cancel()


class Peer:
    """The other end of a session, frame by frame."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._writer, self._reader = frames.FrameWriter(), frames.FrameReader()
        self._frames: list[frames.Frame] = []

    async def send(self, *sent: frames.Frame) -> None:
        for frame in sent:
            await self._stream.write(self._writer.encode(frame))

    async def next(self) -> frames.Frame:
        while not self._frames:
            self._frames += list(self._reader.feed(await self._stream.read()))
        return self._frames.pop(0)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Session, Peer]]:
    left, right = pipe()
    session = Session(right, server=True)
    task = asyncio.create_task(session.run())
    yield session, Peer(left)
    task.cancel()


async def test_pings_of_the_peer_are_echoed_and_answers_to_ours_are_not(served: tuple[Session, Peer]) -> None:
    _, peer = served
    await peer.send(frames.Ping(2), frames.Ping(7), frames.WindowUpdate(1, 10), frames.Settings(((4, 100),)))
    assert await peer.next() == frames.Ping(7)


async def test_a_stream_id_of_the_wrong_parity_or_used_twice_is_refused(served: tuple[Session, Peer]) -> None:
    session, peer = served
    await peer.send(frames.SynStream(4), frames.SynStream(3), frames.SynStream(3))
    answers = [await peer.next() for _ in range(3)]
    assert frames.SynReply(3) in answers
    assert answers.count(frames.RstStream(3, frames.PROTOCOL_ERROR)) == 1
    assert answers.count(frames.RstStream(4, frames.PROTOCOL_ERROR)) == 1
    assert (await session.accept()) is not None


async def test_opening_fails_when_the_peer_refuses() -> None:
    left, right = pipe()
    session, peer = Session(left, server=False), Peer(right)
    running = asyncio.create_task(session.run())
    opening = asyncio.create_task(session.open_stream({"a": "b"}))
    assert await peer.next() == frames.SynStream(1, {"a": "b"})
    await peer.send(frames.RstStream(1, frames.REFUSED_STREAM))
    with pytest.raises(StreamReset):
        await opening
    running.cancel()


async def test_a_reader_that_is_behind_holds_the_sender_up(pair: tuple[Session, Session]) -> None:
    ours, theirs = await joined(pair)
    sending = asyncio.create_task(ours.write(b"x" * 4_000_000))
    for _ in range(2000):
        await asyncio.sleep(0)
    assert not sending.done()
    received = 0
    while received < 4_000_000:
        received += len(await theirs.read())
    await eventually(sending.done)
