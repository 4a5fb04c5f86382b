"""What runs now: the lock that one server of a cluster holds, and the record of its processes, ports and progress.

Everything lies in `DATA/run`. The lock is the truth about "running": the kernel frees it when its holder dies, however it dies.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pinnace.cluster.config import data_root


class RunState:
    def __init__(self, directory: Path) -> None:
        self.directory = directory / "run"
        self._lock_file: int | None = None

    @property
    def _record(self) -> Path:
        return self.directory / "server.json"

    @property
    def progress_file(self) -> Path:
        return self.directory / "progress"

    def acquire(self) -> bool:
        """Take the cluster's lock for this process; False when another process has it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock_file = descriptor
        return True

    def release(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def is_running(self) -> bool:
        """Whether some process holds the lock."""
        path = self.directory / "lock"
        if not path.exists():
            return False
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def write(self, record: dict[str, Any]) -> None:
        temporary = self._record.with_suffix(".new")
        temporary.write_text(json.dumps(record, indent=1))
        temporary.replace(self._record)

    def read(self) -> dict[str, Any]:
        """The last record, of a server that may have ended since; {} when there is none."""
        try:
            return json.loads(self._record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def clear(self) -> None:
        self._record.unlink(missing_ok=True)


def known_clusters() -> Iterator[tuple[str, Path]]:
    """(name, directory) of every cluster below the data root."""
    root = data_root()
    for record in sorted(root.glob("*/config.json")) if root.is_dir() else ():
        yield record.parent.name, record.parent


def running_records() -> list[dict[str, Any]]:
    """The records of all clusters below the data root whose server runs."""
    states = [RunState(directory) for _, directory in known_clusters()]
    return [state.read() for state in states if state.is_running()]


class Progress:
    """One JSON line a step, appended by the server and shown by `pinnace up`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", buffering=1)

    def step(self, text: str) -> None:
        self._file.write(json.dumps({"step": text}) + "\n")

    def note(self, text: str) -> None:
        """Something the user should know that does not stop the start."""
        self._file.write(json.dumps({"note": text}) + "\n")

    def ready(self, text: str) -> None:
        self._file.write(json.dumps({"ready": text}) + "\n")

    def failed(self, text: str) -> None:
        self._file.write(json.dumps({"failed": text}) + "\n")
