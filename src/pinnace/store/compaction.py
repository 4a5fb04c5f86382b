"""Compaction of the SQLite store's log, in steps small enough that no write waits long for one.

From the first step on, history before the compaction is unreadable; the steps delete its rows and then give pages back to
the file system. A process killed in between goes on with the next compaction.
"""

import asyncio
import sqlite3
from dataclasses import dataclass

from pinnace.store.backend import Compacted, FutureRevision, StoreError
from pinnace.store.sqlite_log import State

PRUNE_STEP = 500  # revisions pruned in one transaction
VACUUM_STEP = 64  # pages given back in one step


@dataclass(eq=False, slots=True)
class Compaction:
    revision: int
    done: "asyncio.Future[None]"
    begun: bool = False


class Compactor:
    """Used by the writer thread only, on its connection and its state."""

    def __init__(self, connection: sqlite3.Connection, state: State) -> None:
        self._connection, self._state = connection, state

    def step(self, compaction: Compaction) -> bool:
        """Do the next piece; True when nothing is left to do. Raises Compacted, FutureRevision."""
        state, target = self._state, compaction.revision
        if not compaction.begun:
            if refusal := self._refusal(target):
                raise refusal
            compaction.begun = True
        if state.pruned < target:
            self._prune(target, min(target, state.pruned + PRUNE_STEP))
            return False
        return not self._shrink()

    def _refusal(self, target: int) -> StoreError | None:
        if target > self._state.revision:
            return FutureRevision(target, self._state.revision)
        if target <= min(self._state.compacted, self._state.pruned):
            return Compacted(target, self._state.compacted)
        return None

    def _prune(self, target: int, up_to: int) -> None:
        """Delete what is superseded by, or is a deletion among, the revisions after `pruned` up to `up_to`."""
        state, connection = self._state, self._connection
        span = (state.pruned, up_to)
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision > ? AND revision <= ?)",
                span,
            )
            connection.execute("DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted", span)
            for name, revision in (
                ("compacted", max(target, state.compacted)),
                ("pruned", up_to),
                ("newest", state.revision),  # should the newest row be a deletion that is pruned
            ):
                connection.execute("UPDATE progress SET revision = ? WHERE name = ?", (revision, name))
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        state.compacted, state.pruned = max(state.compacted, target), up_to

    def _shrink(self) -> bool:
        """Give some free pages back to the file system; False when a quarter of the file or less is free."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        if free <= pages // 4:
            return False
        # Gives one page at each step of the statement; `execute` would stop after the first.
        self._connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_STEP})")
        return True
