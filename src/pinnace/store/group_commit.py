"""The writer thread of the SQLite store: writes that wait together share one transaction and one fsync.

It alone writes to the file and knows the newest revision of every key, so guards are checked in memory. A batch is
acknowledged after its commit, by one call into the event loop; the next batch is whatever has come in meanwhile.
Between batches it prunes compacted history and moves the write-ahead log into the file, in small steps.
"""

import asyncio
import logging
import queue
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from pinnace.store.backend import (
    Event,
    KeyExists,
    KeyNotFound,
    KeyValue,
    RevisionMismatch,
    StoreError,
    StoreUnavailable,
)
from pinnace.store.compaction import Compaction, Compactor
from pinnace.store.sqlite_log import Head, Row, State, failure, insertion

log = logging.getLogger(__name__)

BATCH_LIMIT = 512  # writes in one transaction
BATCH_BYTES = 16 * 1024 * 1024
STATEMENT_ROWS = 64  # rows in one statement
CHECKPOINT_BYTES = 8 * 1024 * 1024  # written to the write-ahead log, about
PAGE_BYTES_PER_ROW = 2 * 4096  # the index and table pages that a row changes, about


@dataclass(eq=False, slots=True)
class Write:
    """`value` None deletes; `expected` 0 creates."""

    key: str
    value: bytes | None
    expected: int
    done: "asyncio.Future[int]"


@dataclass(slots=True)
class Commit:
    """What one batch did: the events to publish, and then the answer to each author."""

    events: list[Event] = field(default_factory=list)
    answers: list[tuple["asyncio.Future", int | StoreError | None]] = field(default_factory=list)


class _Stop:
    """The last thing in the queue."""


Work = list[Write] | Compaction | _Stop


class GroupCommit:
    """`run` is the thread's body; `put` and `stop` may be called from any thread. `land` must be thread-safe."""

    def __init__(self, connection: sqlite3.Connection, state: State, land: Callable[[Commit], None]) -> None:
        self._connection, self._state, self._land = connection, state, land
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._compactor = Compactor(connection, state)
        self._compactions: list[Compaction] = []
        self._unchecked = 0  # bytes in the write-ahead log since the last checkpoint, about
        self._stopping = False
        self._failing = False  # said once, not for every write

    def put(self, work: list[Write] | Compaction) -> None:
        self._queue.put(work)

    def stop(self) -> None:
        """Let `run` end after everything that was put before."""
        self._queue.put(_Stop())

    def run(self) -> None:
        while not self._stopping:
            writes = self._take()
            try:
                if writes:
                    self._commit(writes)
            except Exception as error:  # a fault of ours: nobody may wait for ever because of it
                log.exception("a batch of writes failed")
                self._land(Commit(answers=[(write.done, failure(error)) for write in writes]))
            try:
                self._maintain()
            except Exception as error:
                log.warning("store maintenance failed: %s", error)
                self._give_up_compactions(failure(error))
        self._give_up_compactions(StoreUnavailable("the store is closed"))
        self._close()

    def _take(self) -> list[Write]:
        """Wait for work unless there is history to prune; then everything that is there."""
        writes: list[Write] = []
        size = 0
        wait = not self._compactions
        while len(writes) < BATCH_LIMIT and size < BATCH_BYTES and not self._stopping:
            try:
                work = self._queue.get(block=wait)
            except queue.Empty:
                break
            wait = False
            match work:
                case list():
                    writes += work
                    size += sum(len(write.value or b"") for write in work)
                case Compaction():
                    self._compactions.append(work)
                case _Stop():
                    self._stopping = True
        return writes

    # writing

    def _commit(self, writes: list[Write]) -> None:
        state, commit = self._state, Commit()
        rows: list[Row] = []
        changed: dict[str, Head | None] = {}
        refused: list[Write] = []
        revision = state.revision
        for write in writes:
            head = changed[write.key] if write.key in changed else state.heads.get(write.key)
            if (head[0] if head else 0) != write.expected:
                refused.append(write)
                continue
            revision += 1
            created = head[1] if head else revision
            value, deleted = write.value or b"", write.value is None
            changed[write.key] = None if deleted else (revision, created)
            rows.append((revision, write.key, created, write.expected, int(deleted), value))
            commit.events.append(Event(KeyValue(write.key, value, created, revision), deleted))
            commit.answers.append((write.done, revision))
        try:
            self._insert(rows)
        except Exception as error:
            if not self._failing:
                log.error("the store refuses writes: %s", failure(error))
            self._failing = True
            self._land(Commit(answers=[(write.done, failure(error)) for write in writes]))
            return
        if rows and self._failing:
            log.warning("the store takes writes again")
            self._failing = False
        self._apply(changed, revision)
        again = [write for write in refused if not write.expected and write.key not in state.heads]
        commit.answers += [(write.done, self._refusal(write)) for write in refused if write not in again]
        self._land(commit)
        if again:  # creates of keys that the same batch deleted later
            self._commit(again)

    def _insert(self, rows: list[Row]) -> None:
        if not rows:
            return
        self._unchecked += sum(len(row[5]) + PAGE_BYTES_PER_ROW for row in rows)
        if len(rows) <= STATEMENT_ROWS:
            self._insert_chunk(rows)  # a statement is a transaction of its own
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for begin in range(0, len(rows), STATEMENT_ROWS):
                self._insert_chunk(rows[begin : begin + STATEMENT_ROWS])
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _insert_chunk(self, rows: list[Row]) -> None:
        self._connection.execute(insertion(len(rows)), [column for row in rows for column in row])

    def _apply(self, changed: dict[str, Head | None], revision: int) -> None:
        for key, head in changed.items():
            if head is None:
                self._state.heads.pop(key, None)
            else:
                self._state.heads[key] = head
        self._state.revision = revision

    def _refusal(self, write: Write) -> StoreError:
        head = self._state.heads.get(write.key)
        if head is None:
            return KeyNotFound(write.key)
        try:
            (value,) = self._connection.execute(
                "SELECT value FROM log WHERE revision = ?", head[:1]
            ).fetchone()
        except sqlite3.Error as error:
            return failure(error)
        current = KeyValue(write.key, value, head[1], head[0])
        return RevisionMismatch(current, write.expected) if write.expected else KeyExists(current)

    # maintenance

    def _maintain(self) -> None:
        if self._compactions:
            self._compact(self._compactions[0])
        if self._unchecked > CHECKPOINT_BYTES:
            self._checkpoint()

    def _compact(self, compaction: Compaction) -> None:
        try:
            if not self._compactor.step(compaction):
                return
        except StoreError as refusal:
            self._finish_compaction(refusal)
            return
        self._checkpoint()
        self._finish_compaction(None)

    def _finish_compaction(self, answer: StoreError | None) -> None:
        self._land(Commit(answers=[(self._compactions.pop(0).done, answer)]))

    def _give_up_compactions(self, error: StoreError) -> None:
        while self._compactions:
            self._finish_compaction(error)

    def _checkpoint(self) -> None:
        self._unchecked = 0  # also when it fails: the next attempt is due after as many bytes again
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _close(self) -> None:
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            log.warning("the write-ahead log stays beside the store's file: %s", error)
        finally:
            self._connection.close()
