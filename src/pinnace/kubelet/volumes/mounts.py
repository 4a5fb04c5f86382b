"""mount(2) and umount(2), and which mount points lie below a directory. Linux only."""

import ctypes
import os
from functools import cache
from pathlib import Path

MS_NOSUID, MS_NODEV, MNT_DETACH = 2, 4, 2


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _raise(what: str, path: Path) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}", str(path))


def mount_tmpfs(path: Path, options: str) -> None:
    source, kind = b"tmpfs", b"tmpfs"
    if _libc().mount(source, os.fsencode(path), kind, MS_NOSUID | MS_NODEV, options.encode()):
        _raise("mount", path)


def unmount(path: Path) -> None:
    """Detach; what still uses it keeps it until it ends."""
    if _libc().umount2(os.fsencode(path), MNT_DETACH):
        _raise("umount", path)


def is_mounted(path: Path) -> bool:
    return str(path) in mount_points()


def mount_points() -> list[str]:
    """In the order of mounting."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4].encode().decode("unicode_escape") for line in lines]


def unmount_below(directory: Path) -> None:
    """Unmount everything at or below `directory`, the last mounted first."""
    prefix = f"{directory}/"
    for point in reversed(mount_points()):
        if point == str(directory) or point.startswith(prefix):
            unmount(Path(point))
