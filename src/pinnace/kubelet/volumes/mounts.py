"""mount(2) and umount(2), and which mount points lie below a directory. Linux only."""

import ctypes
import os
from functools import cache
from pathlib import Path

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_SHARED, MNT_DETACH = 2, 4, 4096, 16384, 1 << 20, 2


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


def mount_bind(source: Path, path: Path) -> None:
    if _libc().mount(os.fsencode(source), os.fsencode(path), None, MS_BIND, None):
        _raise("mount", path)


def share(directory: Path) -> None:
    """Let mounts below `directory` be seen by containers that ask for propagation, and those of containers here.

    Where the machine's own mounts are shared, as systemd has them, there is nothing to do.
    """
    root = str(directory.resolve())
    holding = [(point, fields) for point, fields in _mounts() if _is_within(root, point)]
    point, fields = max(reversed(holding), key=lambda one: len(one[0]))  # the nearest; of several, the last
    if any(one.startswith("shared:") for one in fields[6 : fields.index("-")]):
        return
    name = os.fsencode(root)
    if point != root and _libc().mount(name, name, None, MS_BIND | MS_REC, None):
        _raise("mount", directory)
    if _libc().mount(None, name, None, MS_SHARED | MS_REC, None):
        _raise("mount", directory)


def _is_within(path: str, point: str) -> bool:
    return point in (path, "/") or path.startswith(f"{point}/")


def unmount(path: Path) -> None:
    """Detach; what still uses it keeps it until it ends."""
    if _libc().umount2(os.fsencode(path), MNT_DETACH):
        _raise("umount", path)


def is_mounted(path: Path) -> bool:
    return str(path.resolve()) in mount_points()


def mount_points() -> list[str]:
    """In the order of mounting."""
    return [point for point, _ in _mounts()]


def _mounts() -> list[tuple[str, list[str]]]:
    """Where, and all fields of the line."""
    lines = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [(fields[4].encode().decode("unicode_escape"), fields) for fields in lines]


def unmount_below(directory: Path) -> None:
    """Unmount everything at or below `directory`, the last mounted first.

    The kernel knows mounts by their real names, so links in the directory's own name are resolved.
    """
    for point in mounts_below(directory):
        unmount(Path(point))


def mounts_below(directory: Path) -> list[str]:
    """At or below it, the last mounted first."""
    root = str(directory.resolve())
    return [point for point in reversed(mount_points()) if point == root or point.startswith(f"{root}/")]
