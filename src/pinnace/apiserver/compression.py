"""Long answers in gzip, for clients that take it."""

import asyncio
import zlib

from pinnace.apiserver.request import Response

COMPRESS_ABOVE = 128 * 1024
_COMPRESSION_LEVEL = 1  # as upstream: fast beats small on a local network


async def compress(answer: Response) -> None:
    """Replace a long body by its gzip, for a client that takes it."""
    length = len(answer.body) if answer.pieces is None else answer.pieces.length
    if length > COMPRESS_ABOVE and "Content-Encoding" not in answer.headers:
        answer.join()
        answer.body = await asyncio.to_thread(_gzip, answer.body)
        answer.headers["Content-Encoding"], answer.headers["Vary"] = "gzip", "Accept-Encoding"


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
