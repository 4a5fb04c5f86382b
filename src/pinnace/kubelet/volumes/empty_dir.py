"""emptyDir: a directory that lives as long as its pod, on disk or in memory."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity
from pinnace.kubelet.volumes.mounts import is_mounted, mount_huge_pages, mount_tmpfs
from pinnace.kubelet.volumes.plugin import MountError, VolumeContext


class EmptyDir:
    name = "kubernetes.io/empty-dir"
    is_read_only = False

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        source = volume["emptyDir"] or {}
        medium = source.get("medium") or ""
        mount = None
        if medium == "Memory":
            size = _size(source, context)
            mount = partial(mount_tmpfs, options=f"size={size},mode=0777")
        elif medium:
            page = page_size(medium, context.pod)
            mount = partial(mount_huge_pages, options=f"pagesize={page},mode=0777")
        try:
            await asyncio.to_thread(_make, directory, mount, context.group)
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


def page_size(medium: str, pod: Object) -> str:
    """As mount(8) wants it (`2M`), of the medium's own size or of the only size that the pod requests."""
    sizes = {
        name.removeprefix("hugepages-")
        for container in (*pods.containers(pod), *pods.init_containers(pod))
        for name in pod_resources.container_requests(container)
        if name.startswith("hugepages-")
    }
    sizes |= {
        name.removeprefix("hugepages-")
        for name in pod_resources.requests(pod)
        if name.startswith("hugepages-")
    }
    if not sizes:
        raise MountError("hugePages storage requested, but there is no resource request for huge pages.")
    if medium == "HugePages":
        if len(sizes) > 1:
            raise MountError(
                f'medium "{medium}" can\'t be used because more than one huge page size is requested'
            )
        (size,) = sizes
    else:
        size = medium.removeprefix("HugePages-")
        if quantity.whole(size) not in {quantity.whole(one) for one in sizes}:
            raise MountError(f'medium "{medium}" is not requested as a resource by any container')
    return size.removesuffix("i")


def _make(directory: Path, mount: Callable[[Path], None] | None, group: int | None) -> None:
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    if mount is not None and not is_mounted(directory):
        mount(directory)
    if is_new:
        directory.chmod(0o777)
        if group is not None:
            os.chown(directory, -1, group)
            directory.chmod(0o2777)
