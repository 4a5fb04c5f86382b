"""Join two byte streams until one of them ends: `await splice(one, other)`.

    async def splice(one: ByteStream, other: ByteStream) -> None

Bytes are copied both ways, a direction reading on only when the far side took what came before, so a slow peer slows
the other one and nothing piles up. As upstream's upgrade-aware proxy does, the first direction that ends (end of
file or a broken connection) ends both; both streams are then flushed and closed.
"""

import asyncio
import contextlib

from pinnace.net.streams import ByteStream


async def splice(one: ByteStream, other: ByteStream) -> None:
    ways = {asyncio.create_task(copy(one, other)), asyncio.create_task(copy(other, one))}
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for stream in (one, other):
            with contextlib.suppress(OSError):
                await stream.close()


async def copy(source: ByteStream, target: ByteStream) -> None:
    """Copy one direction until the source ends; a broken connection is an end."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read():
            await target.write(data)
