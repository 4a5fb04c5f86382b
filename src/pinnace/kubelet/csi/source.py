"""A CSI volume as a pod names it, and what the driver is told of it. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.net.csi.messages import NodeCapability, access_mode

PERSISTENT, EPHEMERAL = "Persistent", "Ephemeral"
TOKENS = "csi.storage.k8s.io/serviceAccount.tokens"


@dataclass(frozen=True, slots=True)
class CsiSource:
    """`name` is the PersistentVolume's, or the pod's own for an inline volume, which has no `volume`."""

    name: str
    handle: str
    csi: Object
    read_only: bool = False
    volume: Object | None = None
    claim: Object | None = None

    @property
    def driver(self) -> str:
        driver: str = self.csi["driver"]
        return driver

    @property
    def mode(self) -> str:
        return EPHEMERAL if self.volume is None else PERSISTENT

    @property
    def is_block(self) -> bool:
        return self.volume is not None and self.volume["spec"].get("volumeMode") == "Block"

    @property
    def unique_name(self) -> str:
        """As the node's status names it."""
        return f"kubernetes.io/csi/{self.driver}^{self.handle}"

    @property
    def access_modes(self) -> Sequence[str]:
        modes: Sequence[str] = self.volume["spec"].get("accessModes") or () if self.volume is not None else ()
        return modes

    def secret(self, field: str) -> tuple[str, str] | None:
        """Namespace and name of the secret that `nodeStageSecretRef` or another such field names."""
        reference = self.csi.get(field)
        return (reference.get("namespace") or "", reference["name"]) if reference else None


def inline(pod: Object, volume: Object) -> CsiSource:
    """A `csi` volume of the pod itself; its handle is made up, as upstream's."""
    csi, name = volume["csi"], volume["name"]
    handle = f"csi-{hashlib.sha256(f'{meta.uid(pod)}{name}'.encode()).hexdigest()}"
    return CsiSource(name, handle, csi, bool(csi.get("readOnly")))


def persistent(volume: Object, claim: Object, *, read_only: bool) -> CsiSource:
    csi = volume["spec"]["csi"]
    return CsiSource(meta.name(volume), csi["volumeHandle"], csi, read_only, volume, claim)


def lifecycle_problem(source: CsiSource, driver: Object | None) -> str:
    """Why the driver does not serve such volumes; "" when it does. `driver` is the CSIDriver object."""
    start = f'volume mode "{source.mode}" not supported by driver {source.driver}'
    if driver is None:
        return "" if source.mode == PERSISTENT else f"{start} (no CSIDriver object)"
    modes = driver["spec"].get("volumeLifecycleModes") or [PERSISTENT]
    if source.mode in modes:
        return ""
    shown = " ".join(f'"{one}"' for one in modes)
    return f"{start} (only supports [{shown}])"


def needs_attachment(source: CsiSource, driver: Object | None) -> bool:
    if source.mode == EPHEMERAL:
        return False
    return driver is None or driver["spec"].get("attachRequired") is not False


def attachment_name(source: CsiSource, node: str) -> str:
    return f"csi-{hashlib.sha256(f'{source.handle}{source.driver}{node}'.encode()).hexdigest()}"


def capability(source: CsiSource, can: frozenset[int], group: int | None) -> dict[str, Any]:
    """VolumeCapability; `group` is given to drivers that apply it themselves."""
    mode = source.access_modes[0] if source.access_modes else "ReadWriteOnce"
    finer = NodeCapability.SINGLE_NODE_MULTI_WRITER in can
    access = {"mode": access_mode(mode, knows_multi_writer=finer)}
    if source.is_block:
        return {"block": {}, "access_mode": access}
    options = source.volume["spec"].get("mountOptions") or () if source.volume is not None else ()
    mount = {"fs_type": source.csi.get("fsType") or "", "mount_flags": list(options)}
    if group is not None and NodeCapability.MOUNT_GROUP in can:
        mount["volume_mount_group"] = str(group)
    return {"mount": mount, "access_mode": access}


def pod_attributes(source: CsiSource, pod: Object, driver: Object | None) -> dict[str, str]:
    """What a driver with `podInfoOnMount` learns of the pod."""
    if driver is None or not driver["spec"].get("podInfoOnMount"):
        return {}
    return {
        "csi.storage.k8s.io/pod.name": meta.name(pod),
        "csi.storage.k8s.io/pod.namespace": meta.namespace(pod),
        "csi.storage.k8s.io/pod.uid": meta.uid(pod),
        "csi.storage.k8s.io/serviceAccount.name": pod["spec"].get("serviceAccountName") or "",
        "csi.storage.k8s.io/ephemeral": "true" if source.mode == EPHEMERAL else "false",
    }


def token_attribute(tokens: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """`tokens` by audience, each with `token` and `expirationTimestamp`."""
    return {TOKENS: json.dumps(tokens, separators=(",", ":"))} if tokens else {}


def we_set_group(source: CsiSource, can: frozenset[int], group: int | None, driver: Object | None) -> bool:
    """Whether the files are given to the pod's fsGroup by the kubelet, by the driver's fsGroupPolicy."""
    if group is None or source.read_only or source.is_block or NodeCapability.MOUNT_GROUP in can:
        return False
    policy = (driver or {"spec": {}})["spec"].get("fsGroupPolicy") or "ReadWriteOnceWithFSType"
    if policy in ("None", "File"):
        return bool(policy == "File")
    once = "ReadWriteOnce" in source.access_modes or "ReadWriteOncePod" in source.access_modes
    return bool(source.csi.get("fsType")) and once
