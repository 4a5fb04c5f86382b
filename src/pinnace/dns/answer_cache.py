"""Finished answers by the bytes of their question: what is asked often costs a look-up.

An answer of the zone is right until the zone changes, a foreign one until its lifetime ends; lifetimes in it count down. Bounded in
bytes, because strangers choose the questions. Pure; the time is given.
"""

import random
from collections import OrderedDict
from dataclasses import dataclass, field

from pinnace.dns import wire

MOST_BYTES = 8 << 20
ENTRY_BYTES = 400  # of our own beside question and answer


@dataclass(slots=True)
class _Entry:
    answers: list[bytes]  # without the id
    stored: float = 0.0
    ends: float = float("inf")
    ttl_offsets: tuple[int, ...] = ()  # within the answer, the two bytes of the id included
    size: int = field(default=0)


class AnswerCache:
    def __init__(self, shuffle: random.Random, most_bytes: int = MOST_BYTES) -> None:
        self._shuffle, self._most = shuffle, most_bytes
        self._ours: OrderedDict[bytes, _Entry] = OrderedDict()
        self._foreign: OrderedDict[bytes, _Entry] = OrderedDict()
        self._serial = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._ours) + len(self._foreign)

    def get(self, question: bytes, serial: int, now: float) -> bytes | None:
        """A whole answer to this whole question."""
        if serial != self._serial:
            self._forget_ours(serial)
        key = question[2:]
        entry = self._ours.get(key)
        if entry is not None:
            answers = entry.answers
            found = answers[0] if len(answers) == 1 else answers[int(self._shuffle.random() * len(answers))]
            return question[:2] + found
        entry = self._foreign.get(key)
        if entry is None:
            return None
        if now >= entry.ends:
            self._drop(self._foreign, key)
            return None
        self._foreign.move_to_end(key)
        return wire.aged(question[:2] + entry.answers[0], entry.ttl_offsets, int(now - entry.stored))

    def put_ours(self, question: bytes, answers: list[bytes], serial: int) -> None:
        """Answers of the zone with this serial, each a different order."""
        if serial != self._serial:
            self._forget_ours(serial)
        self._put(self._ours, question, _Entry([answer[2:] for answer in answers]))

    def put_foreign(
        self, question: bytes, answer: bytes, now: float, seconds: float, offsets: tuple[int, ...]
    ) -> None:
        self._put(self._foreign, question, _Entry([answer[2:]], now, now + seconds, offsets))

    def _put(self, place: OrderedDict[bytes, _Entry], question: bytes, entry: _Entry) -> None:
        key = question[2:]
        entry.size = ENTRY_BYTES + len(key) + sum(map(len, entry.answers))
        self._drop(place, key)
        place[key] = entry
        self.bytes += entry.size
        while self.bytes > self._most:
            oldest = self._foreign if len(self._foreign) >= len(self._ours) else self._ours
            self._drop(oldest, next(iter(oldest)))

    def _drop(self, place: OrderedDict[bytes, _Entry], key: bytes) -> None:
        entry = place.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size

    def _forget_ours(self, serial: int) -> None:
        self.bytes -= sum(entry.size for entry in self._ours.values())
        self._ours.clear()
        self._serial = serial
