"""Durable creates per second straight into a store, at several numbers of concurrent writers; prints one JSON line.

PYTHONPATH=src python bench/store.py --backend sqlite --writers 1 16 64 --size 1024 --seconds 3
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from pinnace.store.backend import Backend
from pinnace.store.memory import MemoryBackend
from pinnace.store.sqlite import SqliteBackend


async def writer(backend: Backend, name: str, value: bytes, until: float, latencies: list[float]) -> None:
    number = 0
    while (begun := time.perf_counter()) < until:
        number += 1
        await backend.create(f"/registry/configmaps/bench/{name}-{number:07}", value)
        latencies.append(time.perf_counter() - begun)


async def measure(backend: Backend, writers: int, size: int, seconds: float) -> dict[str, float]:
    value = (os.urandom(size // 2).hex()).encode()
    latencies: list[float] = []
    begun = time.perf_counter()
    await asyncio.gather(
        *(writer(backend, f"w{writers}-{i}", value, begun + seconds, latencies) for i in range(writers))
    )
    taken = time.perf_counter() - begun
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "creates_per_second": round(len(latencies) / taken),
        "p50_ms": round(cuts[49] * 1e3, 2),
        "p99_ms": round(cuts[98] * 1e3, 2),
    }


async def main(arguments: argparse.Namespace) -> None:
    directory = Path(tempfile.mkdtemp(prefix="pinnace-bench-store-", dir=arguments.dir))
    backend: Backend = (
        MemoryBackend() if arguments.backend == "memory" else SqliteBackend(directory / "state.db")
    )
    await backend.open()
    try:
        results = {
            str(writers): await measure(backend, writers, arguments.size, arguments.seconds)
            for writers in arguments.writers
        }
    finally:
        await backend.close()
        shutil.rmtree(directory)
    print(json.dumps({
        "bench": "store", "backend": arguments.backend, "size": arguments.size, "writers": results,
        "python": platform.python_version(), "loop": "uvloop" if arguments.uvloop else "asyncio",
    }))  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--size", type=int, default=1024, help="bytes of a value")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each number of writers")
    parser.add_argument("--dir", help="where the database is made (default: the temporary directory)")
    parser.add_argument("--uvloop", action="store_true")
    chosen = parser.parse_args()
    if chosen.uvloop:
        import uvloop

        uvloop.run(main(chosen))
    else:
        asyncio.run(main(chosen))
