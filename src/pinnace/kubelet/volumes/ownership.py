"""A volume's files given to the pod's fsGroup, as `fsGroupChangePolicy` says.

Another pod may have the volume and swap names for symlinks meanwhile. So directories are walked by descriptor, and what is
changed is the very file that was looked at, not its name.
"""

import contextlib
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
    root = root.resolve()
    if not root.is_dir():
        return True
    for _, directories, files, here in os.fwalk(
        root, topdown=False
    ):  # the root last: it tells that all is done
        for name in (*files, *directories):  # directories again: among them are links to some
            with contextlib.suppress(FileNotFoundError):
                _change(name, here, group, read_only=read_only)
    _change(str(root), None, group, read_only=read_only)
    return True


def _is_right(root: Path, group: int, *, read_only: bool) -> bool:
    status = root.stat()
    wanted = 0o2550 if read_only else _LOOKED_AT
    return status.st_gid == group and status.st_mode & wanted == wanted


def _change(name: str, parent: int | None, group: int, *, read_only: bool) -> None:
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        status = os.fstat(found)
        if stat.S_ISLNK(status.st_mode):
            os.chown(name, -1, group, dir_fd=parent, follow_symlinks=False)
            return
        itself = f"/proc/self/fd/{found}"
        os.chown(itself, -1, group)
        bits = READ_ONLY_BITS if read_only else FILE_BITS
        if stat.S_ISDIR(status.st_mode):
            bits |= 0o2110
        os.chmod(itself, stat.S_IMODE(status.st_mode) | bits)  # noqa: PTH101  # a descriptor, not a path
    finally:
        os.close(found)
