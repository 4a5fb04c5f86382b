"""Waiting for a state of the world instead of sleeping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    probe: Callable[[], T | Awaitable[T]], *, within: float = 60.0, every: float = 0.02
) -> T:
    """The first truthy answer of `probe`; AssertionError with its last answer or failure after `within` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    last: object = None
    while True:
        try:
            answer = probe()
            result: T = await answer if inspect.isawaitable(answer) else answer
            if result:
                return result
            last = result
        except AssertionError as error:
            last = error
        if loop.time() > end:
            raise AssertionError(f"not within {within} s; last: {last!r}")
        await asyncio.sleep(every)
