"""persistentVolumeClaim and generic ephemeral volumes: the claim's volume, where it is a directory of this node.

hostPath and local volumes are given to containers as they are. Other kinds need drivers that this node does not have.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.kubelet.volumes.host_path import prepare
from pinnace.kubelet.volumes.plugin import MountError, Unprocessed, VolumeContext


class Claim:
    name = "kubernetes.io/persistent-volume-claim"
    is_read_only = False

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        """`directory` stays empty: that it is there says that the pod has had the volume before."""
        known = await asyncio.to_thread(directory.exists)
        claim = await _claim_of(volume, context, known=known)
        source = await _volume_of(claim, context)
        try:
            path = await asyncio.to_thread(_reach, source, context.group)
            await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise MountError(str(error)) from error
        return path


async def _claim_of(volume: dict[str, Any], context: VolumeContext, *, known: bool) -> Object:
    pod = context.pod
    ((_, name),) = binding.claim_names({**pod, "spec": {"volumes": [volume]}})
    start = f"error processing PVC {meta.namespace(pod)}/{name}"
    claim = await context.objects.claim(name)
    if claim is None:
        why = f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found'
        raise Unprocessed(f"{start}: {why}")
    if volume.get("ephemeral") is not None and (why := binding.not_for_pod(claim, pod)):
        raise Unprocessed(f"{start}: {why}")
    if meta.is_terminating(claim) and not known:
        raise Unprocessed(f"{start}: PVC is being deleted")
    if (claim.get("status") or {}).get("phase") != "Bound" or not claim["spec"].get("volumeName"):
        raise Unprocessed(f"{start}: PVC is not bound")
    return claim


async def _volume_of(claim: Object, context: VolumeContext) -> Object:
    name = claim["spec"]["volumeName"]
    found = await context.objects.persistent_volume(name)
    start = f"error processing PVC {meta.key_text(claim)}"
    if found is None:
        raise Unprocessed(
            f'{start}: failed to fetch PV {name} from API server: persistentvolumes "{name}" not found'
        )
    reference = found["spec"].get("claimRef") or {}
    if reference.get("uid") != meta.uid(claim):
        raise Unprocessed(f'{start}: found wrong PVC "{reference.get("uid", "")}" for PV {name}')
    if found["spec"].get("volumeMode") == "Block":
        raise MountError("raw block volumes are not supported on this node")
    return found


def _reach(volume: Object, group: int | None) -> Path:
    """The directory; raises MountError when it is not there."""
    spec = volume["spec"]
    if (source := spec.get("hostPath")) is not None:
        path = Path(source["path"])
        prepare(path, source.get("type") or "")
        return path
    if (source := spec.get("local")) is not None:
        path = Path(source["path"])
        if not path.is_dir():
            raise MountError(f'path "{path}" does not exist')
        if group is not None and path.stat().st_gid != group:
            _give_to(path, group)
        return path
    kind = next((one for one in ("csi", "nfs", "iscsi", "fc", "rbd", "cephfs") if spec.get(one)), "")
    driver = f" (driver {spec['csi'].get('driver')})" if kind == "csi" else ""
    raise MountError(
        f"no volume plugin matched the volume {meta.name(volume)}: {kind or 'its source'}{driver} is not supported on this node"
    )


def _give_to(root: Path, group: int) -> None:
    """As upstream's fsGroup: everything belongs to the group, which may read and write; new files inherit it."""
    for parent, directories, files in os.walk(root):
        for path in (Path(parent), *(Path(parent, one) for one in (*directories, *files))):
            os.chown(path, -1, group, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o2770 if path.is_dir() else 0o660))
