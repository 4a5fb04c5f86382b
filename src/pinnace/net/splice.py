"""Join two byte streams until one of them ends: `await splice(one, other)`.

    async def splice(one: ByteStream, other: ByteStream) -> None

Bytes are copied both ways, a direction reading on only when the far side took what came before, so a slow peer slows
the other one and nothing piles up. As upstream's upgrade-aware proxy does, the first stream that ends ends both; both are
then flushed and closed. A stream that takes no more bytes may have said its last words before: they are still delivered.
"""

import asyncio
import contextlib

from pinnace.net.streams import ByteStream


async def splice(one: ByteStream, other: ByteStream) -> None:
    ways = {asyncio.create_task(copy(one, other)), asyncio.create_task(copy(other, one))}
    try:
        done, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if pending and not all(way.result() for way in done):
            await asyncio.wait(pending)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for stream in (one, other):
            with contextlib.suppress(OSError):
                await stream.close()


async def copy(source: ByteStream, target: ByteStream) -> bool:
    """Copy one direction; True when the source ended, False when the target broke."""
    while True:
        try:
            data = await source.read()
        except ConnectionError:
            return True
        if not data:
            return True
        try:
            await target.write(data)
        except ConnectionError:
            return False
