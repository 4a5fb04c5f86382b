"""mount(2) and umount(2), and which mount points lie below a directory. Linux only."""

import ctypes
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_SHARED, MNT_DETACH = 16384, 1 << 20, 2
LONGEST_OPTIONS = 4095  # mount(2) takes one page of them


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


def mount_huge_pages(path: Path, options: str) -> None:
    kind = b"hugetlbfs"
    if _libc().mount(b"nodev", os.fsencode(path), kind, MS_NOSUID | MS_NODEV, options.encode()):
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


def mount_read_only(kind: str, source: str, options: Sequence[str], path: Path) -> None:
    """A file system, or with kind `bind` a directory, that is neither written to nor run from."""
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    if kind == "bind":
        mount_bind(Path(source), path)
        if _libc().mount(None, os.fsencode(path), None, MS_REMOUNT | MS_BIND | flags, None):
            unmount(path)
            _raise("mount", path)
        return
    text = ",".join(one for one in options if one != "ro")
    if len(text) > LONGEST_OPTIONS:
        _mount_from_nearby(kind, source, text, path)
    elif _libc().mount(source.encode(), os.fsencode(path), kind.encode(), flags, text.encode()):
        _raise("mount", path)


def _mount_from_nearby(kind: str, source: str, options: str, path: Path) -> None:
    """An image of very many layers: names are shortened by mounting from the directory that holds them."""
    layers = next(part for part in options.split(",") if part.startswith("lowerdir="))
    common = os.path.commonpath(layers.removeprefix("lowerdir=").split(":"))
    short = options.replace(f"{common}/", "")
    command = ["mount", "-t", kind, "-o", f"ro,nosuid,nodev,noexec,{short}", source, str(path)]
    done = subprocess.run(command, cwd=common, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"mount of {path} failed")


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
