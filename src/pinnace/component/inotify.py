"""What happens to the files of a few directories, told by the kernel (inotify): nothing is polled, nothing runs while nothing happens."""

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

CREATED, DELETED, MOVED_FROM, MOVED_TO, CLOSED_WRITE = 0x100, 0x200, 0x40, 0x80, 0x8
_IGNORED, _OVERFLOW = 0x8000, 0x4000
_HEADER = struct.Struct("iIII")


class Inotify:
    """`changed(directory)` is called in the event loop, at least once after each change of its entries."""

    def __init__(self, changed: Callable[[Path], None]) -> None:
        self._changed = changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify_init1: {os.strerror(number)}")
        self._directories: dict[int, Path] = {}
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def watch(
        self, directory: Path, mask: int = CREATED | DELETED | MOVED_FROM | MOVED_TO | CLOSED_WRITE
    ) -> None:
        """Watching a directory twice is watching it once."""
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), ctypes.c_uint32(mask))
        if watch < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"inotify_add_watch: {os.strerror(number)}", str(directory))
        self._directories[watch] = directory

    def _read(self) -> None:
        """Events are not told one by one: who is told looks at the directory anyway."""
        touched: dict[Path, None] = {}
        while True:
            try:
                data = os.read(self._descriptor, 64 * 1024)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EINTR):
                    break
                raise
            at = 0
            while at < len(data):
                watch, mask, _, size = _HEADER.unpack_from(data, at)
                at += _HEADER.size + size
                if mask & _OVERFLOW:
                    touched.update(dict.fromkeys(self._directories.values()))
                elif mask & _IGNORED:
                    self._directories.pop(watch, None)
                elif watch in self._directories:
                    touched[self._directories[watch]] = None
        for directory in touched:
            self._changed(directory)

    def close(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
