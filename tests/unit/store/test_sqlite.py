"""What only the SQLite store has: a file that is checked, locked, durable, and does not grow."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from pinnace.store import sqlite_log
from pinnace.store.backend import KeyValue, StoreFull, UnusableData
from pinnace.store.sqlite import SqliteBackend


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "state.db"


async def opened(path: Path) -> SqliteBackend:
    backend = SqliteBackend(path)
    await backend.open()
    return backend


async def test_state_is_there_after_closing_and_opening(path: Path) -> None:
    backend = await opened(path)
    await backend.create("/a", b"1")
    await backend.create("/b", b"1")
    await backend.update("/a", b"2", 1)
    await backend.delete("/b", 2)
    await backend.close()
    backend = await opened(path)
    assert await backend.revision() == 4
    assert (await backend.range("/", "0")).kvs == [KeyValue("/a", b"2", 1, 3)]
    assert await backend.update("/a", b"3", 3) == 5
    assert await backend.create("/b", b"2") == 6
    await backend.close()


async def test_settings_that_durability_rests_on(path: Path) -> None:
    backend = await opened(path)
    await backend.close()
    connection = sqlite_log.connect(path, writable=True)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # INCREMENTAL
    connection.close()


async def test_second_process_is_kept_out(path: Path) -> None:
    backend = await opened(path)
    with pytest.raises(UnusableData, match="is in use by another process"):
        await opened(path)
    await backend.close()
    await (await opened(path)).close()


async def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    await (await opened(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {sqlite_log.SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UnusableData, match="was written by a newer version of Pinnace"):
        await opened(path)
    assert path.read_bytes() == before


async def test_foreign_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(UnusableData, match="not one of Pinnace's"):
        await opened(path)


async def test_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"nothing that SQLite knows" * 100)
    with pytest.raises(UnusableData, match="is corrupt"):
        await opened(path)


async def test_corrupt_file_is_refused_in_one_sentence(path: Path) -> None:
    backend = await opened(path)
    for number in range(200):
        await backend.create(f"/{number}", b"v" * 500)
    await backend.close()
    damaged = bytearray(path.read_bytes())
    for page in range(2, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(damaged)
    with pytest.raises(UnusableData, match="is corrupt") as refused:
        await opened(path)
    assert "\n" not in str(refused.value)


async def test_full_disk_refuses_the_write_and_keeps_what_was_acknowledged(path: Path) -> None:
    """SQLite's page limit gives the same error as a device without space."""
    backend = await opened(path)
    await backend.create("/first", b"v")
    backend._writer._connection.execute("PRAGMA max_page_count = 12").fetchall()
    writes = [backend.create(f"/{number}", b"v" * 2000) for number in range(100)]
    answers = await asyncio.gather(*writes, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    assert failed
    assert all(isinstance(error, StoreFull) for error in failed)
    backend._writer._connection.execute("PRAGMA max_page_count = 100000").fetchall()
    after = await backend.create("/after", b"v")
    stored = {kv.mod_revision for kv in (await backend.range("/", "0")).kvs}
    assert stored == {answer for answer in answers if isinstance(answer, int)} | {1, after}
    await backend.close()


async def test_compaction_keeps_the_file_from_growing(path: Path) -> None:
    backend = await opened(path)
    await backend.create("/a", b"0" * 2000)
    sizes: list[int] = []
    for _ in range(6):
        for _ in range(300):
            revision = await backend.revision()
            await backend.update("/a", b"%d" % revision * 500, revision)
        await backend.compact(await backend.revision())
        sizes.append(path.stat().st_size + path.with_name("state.db-wal").stat().st_size)
    rows = backend._reading.execute("SELECT COUNT(*) FROM log").fetchone()
    await backend.close()
    assert rows == (1,)
    assert max(sizes[3:]) <= 2 * sizes[0]
    assert path.stat().st_size < 100_000


async def test_interrupted_pruning_goes_on_with_the_next_compaction(path: Path) -> None:
    backend = await opened(path)
    revision = await backend.create("/a", b"0")
    for number in range(20):
        revision = await backend.update("/a", b"%d" % number, revision)
    await backend.close()
    connection = sqlite3.connect(path)  # as after a kill between the first step and the next
    connection.execute("UPDATE progress SET revision = 15 WHERE name = 'compacted'")
    connection.commit()
    connection.close()
    backend = await opened(path)
    await backend.compact(18)
    (rows,) = backend._reading.execute("SELECT COUNT(*) FROM log").fetchone()
    assert rows == 4
    await backend.close()


async def test_write_ahead_log_is_moved_into_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnace.store.group_commit.CHECKPOINT_BYTES", 50_000)
    backend = await opened(path)
    for number in range(300):
        await backend.create(f"/{number}", b"v" * 1000)
    assert path.stat().st_size > 200_000
    await backend.close()
