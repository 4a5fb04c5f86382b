"""The volume plugins, by the field of the pod's volume that chooses them."""

from typing import Any

from pinnace.kubelet.volumes import payloads
from pinnace.kubelet.volumes.claims import Claim
from pinnace.kubelet.volumes.csi import Csi
from pinnace.kubelet.volumes.empty_dir import EmptyDir
from pinnace.kubelet.volumes.host_path import HostPath
from pinnace.kubelet.volumes.image import ImageVolume
from pinnace.kubelet.volumes.object_files import ObjectFiles, projected
from pinnace.kubelet.volumes.plugin import MountError, VolumePlugin

PLUGINS: dict[str, VolumePlugin] = {
    "emptyDir": EmptyDir(),
    "hostPath": HostPath(),
    "image": ImageVolume(),
    "persistentVolumeClaim": Claim(),
    "ephemeral": Claim(),
    "csi": Csi(),
    "configMap": ObjectFiles("kubernetes.io/configmap", "configMap", payloads.config_map),
    "secret": ObjectFiles("kubernetes.io/secret", "secret", payloads.secret),
    "downwardAPI": ObjectFiles("kubernetes.io/downward-api", "downwardAPI", payloads.downward_api),
    "projected": ObjectFiles("kubernetes.io/projected", "projected", projected),
}


def plugin_for(volume: dict[str, Any]) -> VolumePlugin:
    """Raises MountError for a kind of volume that this node does not have."""
    kinds = [field for field in volume if field != "name"]
    for field in kinds:
        if field in PLUGINS:
            return PLUGINS[field]
    raise MountError(f"no volume plugin matched name: {kinds[0] if kinds else 'nothing'}")


def is_read_only(volume: dict[str, Any]) -> bool:
    """Whether containers may only read it, whatever their mounts say."""
    if (volume.get("persistentVolumeClaim") or {}).get("readOnly") or (volume.get("csi") or {}).get(
        "readOnly"
    ):
        return True
    return any(field in PLUGINS and PLUGINS[field].is_read_only for field in volume)
