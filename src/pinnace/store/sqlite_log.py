"""The SQLite file behind `sqlite.SqliteBackend`: its tables, how it is opened and checked, and what is read from it.

A log in the manner of kine: one row per write, its row id the revision; the newest row of a key is the key's state, unless
it is a deletion. `previous` is the row that a row supersedes, so that compaction need not search for it.
Functions here block; the backend calls them in its threads.
"""

import fcntl
import os
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pinnace.store.backend import (
    Compacted,
    Event,
    KeyValue,
    RangeResult,
    StoreError,
    StoreFull,
    StoreUnavailable,
    UnusableData,
    prefix_end,
)

APPLICATION_ID = 0x50494E4E  # "PINN", in the file's header
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX log_by_key ON log (key, revision, created, deleted);
CREATE TABLE progress (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO progress VALUES ('compacted', 0), ('pruned', 0), ('newest', 0);
"""

Row = tuple[int, str, int, int, int, bytes]  # the columns of `log`
Head = tuple[int, int]  # (mod revision, create revision) of a living key

_NEWEST = """
SELECT log.key, log.value, log.created, log.revision FROM (
    SELECT MAX(revision) AS newest, deleted FROM log WHERE key >= ? AND key < ? AND revision <= ?
    GROUP BY key HAVING NOT deleted ORDER BY key LIMIT ?)
CROSS JOIN log ON log.revision = newest
"""  # values are read for the rows that are wanted only
_COUNT = """
SELECT COUNT(*) FROM (
    SELECT deleted, MAX(revision) FROM log WHERE key >= ? AND key < ? AND revision <= ?
    GROUP BY key HAVING NOT deleted)
"""
_EVENTS = """
SELECT key, value, created, revision, deleted FROM log
WHERE revision > ? AND revision <= ? AND key >= ? AND key < ? ORDER BY revision LIMIT ?
"""


@dataclass(slots=True)
class State:
    """What the writer must know from the start."""

    heads: dict[str, Head]
    revision: int
    compacted: int
    pruned: int


def lock(path: Path) -> int:
    """The descriptor that keeps other processes out for as long as it is open; raises UnusableData."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise UnusableData(
            f"{path} is in use by another process; stop that cluster first, or use another --data-dir"
        ) from error
    return descriptor


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection for one thread, which is not the one that makes it."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    if writable:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer does it when nobody waits
        connection.execute("PRAGMA journal_size_limit = 67108864").fetchall()
    else:
        connection.execute("PRAGMA query_only = ON")
    return connection


def prepare(path: Path) -> sqlite3.Connection:
    """The writer's connection to a checked file, made if there is none; raises UnusableData, StoreFull."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _refuse_foreign(path)
        connection = connect(path, writable=True)
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            _create(connection)
        else:
            _check(connection, path)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return connection


def _refuse_foreign(path: Path) -> None:
    """Look before anything is written, so that a file which is not ours stays as it is."""
    if not path.exists() or not path.stat().st_size:
        return
    probe = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        application = probe.execute("PRAGMA application_id").fetchone()[0]
        version = probe.execute("PRAGMA user_version").fetchone()[0]
    finally:
        probe.close()
    if application != APPLICATION_ID:
        raise UnusableData(f"{path} is a database, but not one of Pinnace's; use another --data-dir")
    if version > SCHEMA_VERSION:
        raise UnusableData(
            f"{path} was written by a newer version of Pinnace (its schema is {version}, this program knows "
            f"{SCHEMA_VERSION}); use that version, or another --data-dir"
        )


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(
        f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
        f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        finding = " ".join(finding.split())
        raise UnusableData(
            f"{path} is corrupt ({finding}); restore a snapshot, or start with an empty --data-dir"
        )


def _unusable(path: Path, error: sqlite3.Error) -> StoreError:
    if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return UnusableData(
            f"{path} is corrupt ({error}); restore a snapshot, or start with an empty --data-dir"
        )
    return failure(error)


def failure(error: Exception) -> StoreUnavailable:
    """The typed error for what SQLite reports."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return StoreFull("no space left on the device of the data directory; free some and try again")
    return StoreUnavailable(f"SQLite: {error}")


def read_state(connection: sqlite3.Connection) -> State:
    progress = dict(connection.execute("SELECT name, revision FROM progress").fetchall())
    newest = connection.execute("SELECT MAX(revision) FROM log").fetchone()[0] or 0
    heads = {
        key: (revision, created)
        for key, revision, created in connection.execute(
            "SELECT key, MAX(revision), created FROM log GROUP BY key HAVING NOT deleted"
        )
    }
    return State(heads, max(newest, progress["newest"]), progress["compacted"], progress["pruned"])


@lru_cache(maxsize=256)
def insertion(rows: int) -> str:
    """One statement for many rows: a single step, so that the thread gives up and awaits the interpreter lock once."""
    return "INSERT INTO log VALUES " + ",".join(["(?,?,?,?,?,?)"] * rows)  # noqa: S608 - nothing but question marks


def _refuse_compacted(connection: sqlite3.Connection, revision: int) -> None:
    """Within a read transaction: whether what it sees is complete at this revision."""
    (compacted,) = connection.execute("SELECT revision FROM progress WHERE name = 'compacted'").fetchone()
    if revision < compacted:
        raise Compacted(revision, compacted)


def read_key(connection: sqlite3.Connection, key: str, at: int) -> KeyValue | None:
    row = connection.execute(
        "SELECT deleted, value, created, revision FROM log WHERE key = ? AND revision <= ? "
        "ORDER BY revision DESC LIMIT 1",
        (key, at),
    ).fetchone()
    return None if row is None or row[0] else KeyValue(key, *row[1:])


def read_range(connection: sqlite3.Connection, start: str, end: str, limit: int, at: int) -> RangeResult:
    connection.execute("BEGIN")
    try:
        _refuse_compacted(connection, at)
        kvs = [KeyValue(*row) for row in connection.execute(_NEWEST, (start, end, at, limit or -1))]
        kvs.sort()  # SQL promises no order for the join; it is sorted already
        total = len(kvs)
        if limit and total == limit:
            (total,) = connection.execute(_COUNT, (start, end, at)).fetchone()
        return RangeResult(kvs, at, total)
    finally:
        connection.execute("COMMIT")


def read_events(
    connection: sqlite3.Connection, prefix: str, after: int, up_to: int, limit: int
) -> list[Event]:
    connection.execute("BEGIN")
    try:
        _refuse_compacted(connection, after)
        rows = connection.execute(_EVENTS, (after, up_to, prefix, prefix_end(prefix), limit))
        return [Event(KeyValue(*row[:4]), bool(row[4])) for row in rows]
    finally:
        connection.execute("COMMIT")
