"""emptyDir: a directory that lives as long as its pod, on disk or in memory."""

import asyncio
import os
from pathlib import Path
from typing import Any

from pinnace.api.core import pod_resources
from pinnace.apimachinery import quantity
from pinnace.kubelet.volumes.mounts import is_mounted, mount_tmpfs
from pinnace.kubelet.volumes.plugin import MountError, VolumeContext


class EmptyDir:
    name = "kubernetes.io/empty-dir"
    is_read_only = False

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        source = volume["emptyDir"] or {}
        medium = source.get("medium") or ""
        if medium not in ("", "Memory"):
            raise MountError(f'emptyDir medium "{medium}" is not supported on this node')
        try:
            await asyncio.to_thread(_make, directory, _size(source, context) if medium else 0, context.group)
        except OSError as error:
            raise MountError(str(error)) from error
        return directory


def _size(source: dict[str, Any], context: VolumeContext) -> int:
    """Bytes: the size limit, else what the pod's memory limits allow, else the node's memory."""
    bounds = [context.node_memory]
    limit = pod_resources.limits(context.pod).get("memory")
    if limit and all("memory" in pod_resources.container_limits(one) for one in context.containers):
        bounds.append(int(limit))
    if source.get("sizeLimit") and quantity.whole(source["sizeLimit"]):
        bounds.append(quantity.whole(source["sizeLimit"]))
    return min(bounds)


def _make(directory: Path, tmpfs_bytes: int, group: int | None) -> None:
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    if tmpfs_bytes and not is_mounted(directory):
        mount_tmpfs(directory, f"size={tmpfs_bytes},mode=0777")
    if is_new:
        directory.chmod(0o777)
        if group is not None:
            os.chown(directory, -1, group)
            directory.chmod(0o2777)
