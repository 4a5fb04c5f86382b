"""Answers of pure functions of a JSON value, remembered by the value's bytes: objects made from one template ask the same again and again.

Bounded: so many answers, none for a value that is long. The oldest makes room.
"""

from typing import Any, Generic, TypeVar

import orjson

V = TypeVar("V")


class Remembered(Generic[V]):
    """`key` first: encoding a value costs a fiftieth of walking through it in Python."""

    def __init__(self, entries: int = 256, longest: int = 8192) -> None:
        self._entries, self._longest = entries, longest
        self._known: dict[tuple[str, bytes], V] = {}

    @staticmethod
    def key(name: str, value: Any) -> tuple[str, bytes]:
        """`name` says which function, and of what kind the value is."""
        return name, orjson.dumps(value)

    def get(self, key: tuple[str, bytes]) -> V | None:
        return self._known.get(key)

    def put(self, key: tuple[str, bytes], answer: V) -> V:
        """Returns the answer, which nobody may change from now on."""
        if len(key[1]) <= self._longest:
            if len(self._known) >= self._entries:
                del self._known[next(iter(self._known))]
            self._known[key] = answer
        return answer
