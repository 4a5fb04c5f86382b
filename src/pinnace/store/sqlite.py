"""The default store: one SQLite file, durable on every acknowledged write.

Writes go through one writer thread (`group_commit`); reads of history through one reader thread with its own connection,
which sees what is committed and never waits for the writer. A revision is visible once its events were published.
Left out: several processes on one file; the second one is refused.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pinnace.store import sqlite_log
from pinnace.store.backend import (
    Event,
    FutureRevision,
    KeyValue,
    RangeResult,
    StoreError,
    StoreUnavailable,
    Subscriber,
    Subscription,
)
from pinnace.store.broadcaster import Broadcaster
from pinnace.store.compaction import Compaction
from pinnace.store.group_commit import Commit, GroupCommit, Write

T = TypeVar("T")


class SqliteBackend:
    """Implements `pinnace.store.backend.Backend` on the file `path`; the directory is made if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broadcaster = Broadcaster()
        self._is_open = False
        self._gathered: list[Write] = []

    def size_bytes(self) -> int:
        """Of the file and what waits beside it to be written into it."""
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    async def open(self) -> None:
        """Raises UnusableData for a file that is corrupt, foreign, in use, or of a newer version."""
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        try:
            writing, state = await self._in_reader(self._prepare)
        except BaseException:
            self._readers.shutdown()
            raise
        self._broadcaster = Broadcaster(state.revision)
        self._writer = GroupCommit(writing, state, self._land_soon)
        self._thread = threading.Thread(target=self._writer.run, name="store-writer", daemon=True)
        self._thread.start()
        self._is_open = True

    def _prepare(self) -> tuple[sqlite3.Connection, sqlite_log.State]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = sqlite_log.lock(self._path)
        try:
            writing = sqlite_log.prepare(self._path)
            self._reading = sqlite_log.connect(self._path, writable=False)
            return writing, sqlite_log.read_state(self._reading)
        except BaseException:
            os.close(self._lock)
            raise

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._reading.interrupt()
        await self._in_reader(self._reading.close)
        self._hand_over()
        self._writer.stop()
        await self._in_reader(self._thread.join)
        self._readers.shutdown()
        os.close(self._lock)
        self._broadcaster.end(StoreUnavailable("the store is closed"))

    # writing

    async def create(self, key: str, value: bytes) -> int:
        return await self._write(key, value, 0)

    async def update(self, key: str, value: bytes, expected: int) -> int:
        return await self._write(key, value, expected)

    async def delete(self, key: str, expected: int) -> int:
        return await self._write(key, None, expected)

    async def _write(self, key: str, value: bytes | None, expected: int) -> int:
        self._refuse_closed()
        done: asyncio.Future[int] = self._loop.create_future()
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(Write(key, value, expected, done))
        return await done

    def _hand_over(self) -> None:
        """What one turn of the loop has written goes to the writer thread at once: waking it costs more than a write does."""
        if self._gathered:
            self._writer.put(self._gathered)
            self._gathered = []

    async def compact(self, revision: int) -> None:
        """Returns once the rows are deleted; history is unreadable from the first step on."""
        self._refuse_closed()
        done: asyncio.Future[None] = self._loop.create_future()
        self._hand_over()
        self._writer.put(Compaction(revision, done))
        await done

    def _land_soon(self, commit: Commit) -> None:
        """In the writer thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._land, commit)

    def _land(self, commit: Commit) -> None:
        """Publish first: who has written finds the write in every cache when it resumes."""
        if commit.events:
            self._broadcaster.publish(commit.events)
        for done, answer in commit.answers:
            if done.done():
                continue
            if isinstance(answer, StoreError):
                done.set_exception(answer)
            else:
                done.set_result(answer)

    # reading

    async def revision(self) -> int:
        return self._broadcaster.revision

    async def get(self, key: str) -> KeyValue | None:
        at = self._broadcaster.revision
        return await self._read(partial(sqlite_log.read_key, key=key, at=at))

    async def range(self, start: str, end: str, *, limit: int = 0, revision: int = 0) -> RangeResult:
        at = revision or self._broadcaster.revision
        if at > self._broadcaster.revision:
            raise FutureRevision(at, self._broadcaster.revision)
        return await self._read(partial(sqlite_log.read_range, start=start, end=end, limit=limit, at=at))

    async def subscribe(self, prefix: str, after: int, subscriber: Subscriber) -> Subscription:
        self._refuse_closed()
        return await self._broadcaster.attach(prefix, after, subscriber, self._history)

    async def _history(self, prefix: str, after: int, up_to: int, limit: int) -> list[Event]:
        return await self._read(
            partial(sqlite_log.read_events, prefix=prefix, after=after, up_to=up_to, limit=limit)
        )

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        self._refuse_closed()
        try:
            return await self._in_reader(lambda: query(self._reading))
        except sqlite3.Error as error:
            raise sqlite_log.failure(error) from error

    async def _in_reader(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._readers, work)

    def _refuse_closed(self) -> None:
        if not self._is_open:
            raise StoreUnavailable("the store is closed")
