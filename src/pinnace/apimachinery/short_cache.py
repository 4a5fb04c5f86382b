"""An `lru_cache` for functions of one text, which does not keep long texts: what clients send must not fill the memory."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def short_cache(entries: int, *, longest: int = 256) -> Callable[[Callable[[K], V]], Callable[[K], V]]:
    """Remember the answers for up to `entries` texts of at most `longest` characters; longer ones are computed anew."""

    def decorate(function: Callable[[K], V]) -> Callable[[K], V]:
        cached = lru_cache(maxsize=entries)(function)

        @wraps(function)
        def call(text: K) -> V:
            if isinstance(text, (str, bytes)) and len(text) > longest:
                return function(text)
            return cached(text)

        return call

    return decorate
