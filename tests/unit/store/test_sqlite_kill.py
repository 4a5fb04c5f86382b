"""`kill -9` in the middle of concurrent writes loses nothing that was acknowledged."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pinnace.store.sqlite import SqliteBackend

WRITER = """
import asyncio, os, sys
from pathlib import Path
from pinnace.store.sqlite import SqliteBackend

async def write(backend, worker):
    number = 0
    while True:
        key = f"/w/{worker}/{number:06}"
        revision = await backend.create(key, key.encode() * 40)
        os.write(1, f"{revision} {key}\\n".encode())
        number += 1

async def main():
    backend = SqliteBackend(Path(sys.argv[1]))
    await backend.open()
    await asyncio.gather(*(write(backend, worker) for worker in range(16)))

asyncio.run(main())
"""


def killed_writer(path: Path, acknowledgements: int) -> dict[str, int]:
    """The writes that a process acknowledged before it was killed."""
    source = str(Path(__file__).parents[3] / "src")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(acknowledgements)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()
    whole = [line.split() for line in lines if line.endswith(b"\n")]
    return {key.decode(): int(revision) for revision, key in whole}


@pytest.mark.parametrize("acknowledgements", [1, 300, 2500])
async def test_every_acknowledged_write_survives_sigkill(tmp_path: Path, acknowledgements: int) -> None:
    path = tmp_path / "state.db"
    acknowledged = killed_writer(path, acknowledgements)
    assert len(acknowledged) >= acknowledgements
    backend = SqliteBackend(path)
    await backend.open()
    stored = {kv.key: kv for kv in (await backend.range("/", "0")).kvs}
    assert {key: stored[key].mod_revision for key in acknowledged} == acknowledged
    assert all(kv.value == key.encode() * 40 for key, kv in stored.items())
    assert await backend.revision() == len(stored)
    await backend.close()
