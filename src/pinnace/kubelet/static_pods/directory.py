"""The files of a manifest directory, and when they change: the kernel tells (inotify), nothing is polled.

Only a directory that is not there (yet) is looked for now and then. A path may also name a single file.
"""

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pinnace.component.clock import Clock

MISSING_SECONDS = 20.0  # upstream's fileCheckFrequency
CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, IGNORED = 0x400, 0x800, 0x8000
MASK = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF
HEADER = struct.Struct("iIII")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class ManifestDirectory:
    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._changed = asyncio.Event()
        self._descriptor: int | None = None

    def read(self) -> dict[str, bytes]:
        """Content by path; {} when there is nothing. Names that begin with a dot are not manifests."""
        self._watch()
        files = [self._path] if self._path.is_file() else self._entries()
        found = {}
        for file in files:
            with contextlib.suppress(OSError):  # gone again: the event tells
                found[str(file)] = file.read_bytes()
        return found

    def _entries(self) -> list[Path]:
        try:
            entries = sorted(self._path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [entry for entry in entries if not entry.name.startswith(".") and entry.is_file()]

    async def changed(self) -> None:
        """Return when what `read` gave may be out of date."""
        if self._descriptor is not None:
            await self._changed.wait()
        else:
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self._changed.wait(), MISSING_SECONDS)
        self._changed.clear()

    def close(self) -> None:
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _watch(self) -> None:
        if self._descriptor is not None:
            return
        directory = self._path if self._path.is_dir() else self._path.parent
        descriptor = _libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        if _libc().inotify_add_watch(descriptor, os.fsencode(directory), MASK) < 0:
            os.close(descriptor)
            return
        self._descriptor = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._take)

    def _take(self) -> None:
        assert self._descriptor is not None
        with contextlib.suppress(BlockingIOError):
            for mask, name in events(os.read(self._descriptor, 65536)):
                if mask & (DELETE_SELF | MOVE_SELF | IGNORED):
                    self.close()
                    self._changed.set()
                    return
                if not (mask & CREATE) or self._is_link(name):  # a new file is told again when it is written
                    self._changed.set()

    def _is_link(self, name: str) -> bool:
        """Links, and directories that may have become the path itself."""
        directory = self._path if self._path.is_dir() else self._path.parent
        file = directory / name
        return file.is_symlink() or file.is_dir() or (file.is_file() and file.stat().st_nlink > 1)


def events(data: bytes) -> Iterator[tuple[int, str]]:
    """Mask and file name of each event."""
    place = 0
    while place < len(data):
        _, mask, _, length = HEADER.unpack_from(data, place)
        place += HEADER.size
        yield mask, os.fsdecode(data[place : place + length].rstrip(b"\0"))
        place += length
