"""What runs now: the lock that one server of a cluster holds, and the record of its processes and ports.

Everything lies in `DATA/run`. The lock is the truth about "running": the kernel frees it when its holder dies, however it dies.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pinnace.cluster.config import data_root
from pinnace.cluster.errors import UsageError


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
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock_file = descriptor
        return True

    def release(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def is_running(self) -> bool:
        """Whether some process holds the lock."""
        try:
            descriptor = os.open(self.directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:
            raise UsageError(
                f"{self.directory.parent} belongs to another user: run this as the user that started the cluster"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @property
    def holder(self) -> int:
        """The pid of the process that took the lock last; 0 when none did."""
        try:
            return int((self.directory / "lock").read_text())
        except (FileNotFoundError, ValueError):
            return 0

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
