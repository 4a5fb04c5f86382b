"""persistentVolumeClaim and generic ephemeral volumes: the claim's volume, a directory or a block device of this node.

hostPath and local volumes are given to containers as they are, CSI volumes by their driver. Other kinds need drivers that
this node does not have.
"""

import asyncio
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.kubelet.csi.source import persistent
from pinnace.kubelet.volumes.host_path import prepare
from pinnace.kubelet.volumes.ownership import give_to
from pinnace.kubelet.volumes.plugin import MountError, Unprocessed, VolumeContext


class Claim:
    name = "kubernetes.io/persistent-volume-claim"
    is_read_only = False

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        """`directory` stays empty: that it is there says that the pod has had the volume before."""
        known = await asyncio.to_thread(directory.exists)
        claim = await _claim_of(volume, context, known=known)
        found = await _volume_of(claim, context)
        try:
            if why := _mode_problem(context, volume["name"], block=is_block(found)):
                raise Unprocessed(why)
            if found["spec"].get("csi") is not None and context.csi is not None:
                read_only = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
                path = await context.csi.set_up(persistent(found, claim, read_only=read_only), context)
            else:
                path = await asyncio.to_thread(_reach, found)
            await asyncio.to_thread(_remember, directory, path, found, context if not known else None)
        except OSError as error:
            raise MountError(str(error), volume=meta.name(found)) from error
        except MountError as error:
            error.volume = error.volume or meta.name(found)
            is_general = error.operation == "MountVolume.SetUp" and not isinstance(error, Unprocessed)
            if is_block(found) and is_general:
                error.operation = "MapVolume.SetUpDevice"
            raise
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
    return found


def is_block(volume: Object) -> bool:
    return bool(volume["spec"].get("volumeMode") == "Block")


def _mode_problem(context: VolumeContext, name: str, *, block: bool) -> str:
    """A device cannot be mounted, nor a file system be given as a device."""
    field, mode = ("volumeMounts", "Block") if block else ("volumeDevices", "Filesystem")
    if any(one["name"] == name for container in context.containers for one in container.get(field) or ()):
        return f"volume {name} has volumeMode {mode}, but is specified in {field}"
    return ""


def _reach(volume: Object) -> Path:
    """The directory or device; raises MountError when it is not there."""
    spec = volume["spec"]
    if (source := spec.get("hostPath")) is not None and not is_block(volume):
        path = Path(source["path"])
        prepare(path, source.get("type") or "")
        return path
    if (source := spec.get("local")) is not None:
        path = Path(source["path"])
        if is_block(volume):
            if not path.is_block_device():
                raise MountError(f"path {path} for local volume {meta.name(volume)} is not a block device")
        elif not path.is_dir():
            raise MountError(f'path "{path}" does not exist')
        return path
    kind = next(
        (one for one in ("csi", "hostPath", "nfs", "iscsi", "fc", "rbd", "cephfs") if spec.get(one)), ""
    )
    what = f"{kind or 'its source'} is not supported on this node"
    if kind == "hostPath":
        what = "hostPath volumes cannot be block devices: use a local volume"
    raise MountError(f"no volume plugin matched the volume {meta.name(volume)}: {what}")


def _remember(directory: Path, path: Path, volume: Object, first: VolumeContext | None) -> None:
    """Note that the pod has the volume; on the `first` time a local one is given to the pod's group."""
    if first is not None and first.group is not None and volume["spec"].get("local") and not is_block(volume):
        policy = (first.pod["spec"].get("securityContext") or {}).get("fsGroupChangePolicy")
        give_to(path, first.group, policy)
    directory.mkdir(parents=True, exist_ok=True)
