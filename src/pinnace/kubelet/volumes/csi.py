"""csi: a volume of the pod itself, which its driver makes when the pod comes and removes when it goes (inline ephemeral)."""

from pathlib import Path
from typing import Any

from pinnace.kubelet.csi.source import inline
from pinnace.kubelet.volumes.plugin import MountError, VolumeContext


class Csi:
    name = "kubernetes.io/csi"
    is_read_only = False

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        if context.csi is None:
            raise MountError("no volume plugin matched name: kubernetes.io/csi")
        return await context.csi.set_up(inline(context.pod, volume), context)
