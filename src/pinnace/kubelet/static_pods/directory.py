"""The files of a manifest directory, and when they change: the kernel tells (inotify), nothing is polled.

Only a directory that is not there (yet) is looked for now and then. A path may also name a single file.
"""

import asyncio
import contextlib
from pathlib import Path

from pinnace.component import inotify
from pinnace.component.clock import Clock

MISSING_SECONDS = 20.0  # upstream's fileCheckFrequency
SETTLE_SECONDS = 0.05  # a file is told when it is created, and again when it has been written
DELETE_SELF, MOVE_SELF = 0x400, 0x800
MASK = (
    inotify.CREATED | inotify.DELETED | inotify.MOVED_FROM | inotify.MOVED_TO | inotify.CLOSED_WRITE
    | DELETE_SELF | MOVE_SELF
)  # fmt: skip


class ManifestDirectory:
    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._changed = asyncio.Event()
        self._kernel: inotify.Inotify | None = None
        self._is_watched = False

    def read(self) -> dict[str, bytes]:
        """Content by path; {} when there is nothing. Names that begin with a dot are not manifests."""
        self._watch()
        found = {}
        for file in [self._path] if self._path.is_file() else self._entries():
            with contextlib.suppress(OSError):  # gone again: the event tells
                found[str(file)] = file.read_bytes()
        return found

    def _entries(self) -> list[Path]:
        try:
            entries = sorted(self._path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [entry for entry in entries if not entry.name.startswith(".") and entry.is_file()]

    def _watch(self) -> None:
        if self._kernel is None:
            self._kernel = inotify.Inotify(self._tell)
        directory = self._path.parent if self._path.is_file() else self._path
        try:
            self._kernel.watch(directory, MASK)
        except OSError:
            self._is_watched = False
        else:
            self._is_watched = True

    def _tell(self, directory: Path) -> None:
        self._changed.set()

    async def changed(self) -> None:
        """Return when what `read` gave may be out of date."""
        if self._is_watched:
            await self._changed.wait()
            await self._clock.sleep(SETTLE_SECONDS)
        else:
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._changed.wait(), MISSING_SECONDS)
        self._changed.clear()

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None
