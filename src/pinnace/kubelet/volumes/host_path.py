"""hostPath: a file or directory of the node, checked or created as its `type` says."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinnace.kubelet.volumes.plugin import MountError, VolumeContext

CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


class HostPath:
    name = "kubernetes.io/host-path"
    is_read_only = False

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        path, kind = Path(volume["hostPath"]["path"]), volume["hostPath"].get("type") or ""
        try:
            prepare(path, kind)
        except OSError as error:
            raise MountError(f"hostPath type check failed: {error}") from error
        return path


def prepare(path: Path, kind: str) -> None:
    """Create what may be created, then check; raises MountError with upstream's sentence."""
    if kind == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not path.exists():
            path.touch(mode=0o644)
        kind = "File"
    if not kind:
        return
    if kind not in CHECKS:
        raise MountError(f"{kind} is an invalid volume type")
    matches, name = CHECKS[kind]
    if not path.exists() or not matches(path.stat().st_mode):
        raise MountError(f"hostPath type check failed: {path} is not {name}")
