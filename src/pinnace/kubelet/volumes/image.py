"""image: the files of an OCI image. Here its place only: `kubelet.image_volumes` pulls and mounts it before a container starts,
because a failed pull is the container's to tell, as upstream has it."""

from pathlib import Path
from typing import Any

from pinnace.kubelet.volumes.plugin import VolumeContext

DIRECTORY = "kubernetes.io~image"


class ImageVolume:
    name = "kubernetes.io/image"
    is_read_only = False  # the mount itself is read-only; a remount by the runtime would make it executable

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        return directory
