"""A volume's files given to the pod's fsGroup, as `fsGroupChangePolicy` says."""

import os
import stat
from pathlib import Path

DIRECTORY_BITS, FILE_BITS, READ_ONLY_BITS = 0o2770, 0o660, 0o440
_LOOKED_AT = 0o2770


def give_to(root: Path, group: int, policy: str | None = None, *, read_only: bool = False) -> bool:
    """Everything belongs to the group, which may read and write; new files inherit it. False when nothing was done.

    OnRootMismatch leaves a volume alone whose root is right already; Always (the default) goes through all of it.
    """
    if policy == "OnRootMismatch" and _is_right(root, group, read_only=read_only):
        return False
    for parent, directories, files in os.walk(
        root, topdown=False
    ):  # the root last: it tells that all is done
        for name in (*files, *directories):
            path = Path(parent, name)
            if path.is_symlink() or not path.is_dir():
                _change(path, group, read_only=read_only)
        _change(Path(parent), group, read_only=read_only)
    return True


def _is_right(root: Path, group: int, *, read_only: bool) -> bool:
    status = root.stat()
    wanted = 0o2550 if read_only else _LOOKED_AT
    return status.st_gid == group and status.st_mode & wanted == wanted


def _change(path: Path, group: int, *, read_only: bool) -> None:
    status = path.lstat()
    os.chown(path, -1, group, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return
    bits = READ_ONLY_BITS if read_only else FILE_BITS
    if stat.S_ISDIR(status.st_mode):
        bits |= 0o2110
    path.chmod(stat.S_IMODE(status.st_mode) | bits)
