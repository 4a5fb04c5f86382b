"""`subPath`: a part of a volume, held fast by a bind mount of its own before a container gets it.

A container may write to its volume and swap a directory for a symlink at any moment. So the path is walked one name at a
time without following links, and what the container gets is the very directory that was reached, not its name.
"""

import os
import stat
from pathlib import Path
from typing import Protocol

from pinnace.kubelet.environment import ConfigError
from pinnace.kubelet.volumes.mounts import is_mounted, mount_bind, unmount


class SubPaths(Protocol):
    """Holds parts of volumes for the containers of one pod."""

    def hold(self, descriptor: int, *place: str) -> Path:
        """A path that leads to what `descriptor` has open, whatever happens to its name; `place` tells holds apart."""


class BoundSubPaths:
    """`directory` is the pod's `volume-subpaths`, as upstream lays it out."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def hold(self, descriptor: int, *place: str) -> Path:
        target = self._directory.joinpath(*place)
        if is_mounted(target):
            unmount(target)  # of the container's last run
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir(exist_ok=True)
        else:
            target.touch()
        mount_bind(Path(f"/proc/self/fd/{descriptor}"), target)
        return target


def open_inside(volume: Path, part: str) -> int:
    """A descriptor of `part` of the volume; directories that are missing are made with the volume's own mode.

    Symlinks inside the volume are resolved, once; ConfigError when they lead out of it or change meanwhile.
    """
    root = volume.resolve()
    try:
        full = (root / part).resolve()
    except (RuntimeError, ValueError) as error:  # symlinks in a circle; a name that no file can have
        raise ConfigError(f"subPath {part!r} cannot be followed: {error}") from error
    if not full.is_relative_to(root):
        raise ConfigError(f"subPath {part!r} leads out of the volume")
    mode = stat.S_IMODE(root.stat().st_mode)
    reached = os.open(root, os.O_PATH | os.O_DIRECTORY)
    for name in full.relative_to(root).parts:
        try:
            following = _step(reached, name, mode)
        finally:
            os.close(reached)
        reached = following
    return reached


def _step(parent: int, name: str, mode: int) -> int:
    try:
        child = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
        is_new = False
    except FileNotFoundError:
        os.mkdir(name, 0o750, dir_fd=parent)
        child = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
        is_new = True
    if stat.S_ISLNK(os.fstat(child).st_mode):
        os.close(child)
        raise ConfigError(f"subPath: {name!r} became a symlink while it was looked up")
    if is_new:
        Path(f"/proc/self/fd/{child}").chmod(mode)
    return child
