import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pinnace.net.splice import splice
from pinnace.net.streams import ByteStream, pipe
from pinnace.testing.wait import eventually


async def read_all(stream: ByteStream) -> bytes:
    data = b""
    while part := await stream.read():
        data += part
    return data


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_what_goes_in_at_one_side_comes_out_at_the_other(parts: list[bytes]) -> None:
    async def run() -> bytes:
        client, front = pipe(limit=64)
        back, server = pipe(limit=64)
        task = asyncio.create_task(splice(front, back))
        reading = asyncio.create_task(read_all(server))
        for part in parts:
            await client.write(part)
        await client.write_eof()
        await task
        return await reading

    assert asyncio.run(run()) == b"".join(parts)


async def test_a_slow_reader_stops_the_writer() -> None:
    client, front = pipe(limit=10)
    back, server = pipe(limit=10)
    task = asyncio.create_task(splice(front, back))
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            await client.write(b"x" * 10)
            sent += 10

    sender = asyncio.create_task(send())
    for _ in range(50):
        await asyncio.sleep(0)
    assert sent <= 50
    before = sent
    assert await server.read()
    await eventually(lambda: sent > before)
    sender.cancel()
    task.cancel()


async def test_the_end_of_one_side_closes_the_other() -> None:
    client, front = pipe()
    back, server = pipe()
    task = asyncio.create_task(splice(front, back))
    await server.write(b"last words")
    await server.close()
    await task
    assert await client.read() == b"last words"
    assert await client.read() == b""


class Deaf:
    """Takes no bytes, but has something to say."""

    def __init__(self, *said: bytes) -> None:
        self._said = [*said, b""]

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self._said.pop(0)

    async def write(self, data: bytes) -> None:
        raise ConnectionResetError

    async def write_eof(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def test_last_words_of_a_stream_that_takes_nothing_more_are_delivered() -> None:
    client, front = pipe()
    await client.write(b"too late")
    await splice(front, Deaf(b"the", b" result"))
    assert await read_all(client) == b"the result"
