"""What a volume plugin gets and gives: the contract of this package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pinnace.api.meta import Object
from pinnace.kubelet.csi.source import CsiSource


class MountError(Exception):
    """The volume cannot be set up; the message is what follows `MountVolume.SetUp failed for volume "x" : `.

    `volume` is the PersistentVolume's name where there is one; "" means the pod's own name for it.
    """

    def __init__(self, message: str, *, operation: str = "MountVolume.SetUp", volume: str = "") -> None:
        super().__init__(message)
        self.operation, self.volume = operation, volume


class Unprocessed(MountError):
    """It is not known yet what is to be mounted: a claim that is missing or not bound."""


class NotAttached(MountError):
    """The node waits for a controller to attach the volume: no news before it is `overdue`."""

    def __init__(self, message: str, *, overdue: bool) -> None:
        super().__init__(message)
        self.overdue = overdue


class ObjectSource(Protocol):
    async def config_map(self, name: str) -> Object | None: ...

    async def secret(self, name: str) -> Object | None: ...

    async def claim(self, name: str) -> Object | None: ...

    async def persistent_volume(self, name: str) -> Object | None: ...

    async def token(self, audience: str, seconds: int) -> str: ...

    async def token_status(self, audience: str, seconds: int) -> tuple[str, str]:
        """The token and when it expires."""

    async def csi_driver(self, name: str) -> Object | None: ...


class CsiMounter(Protocol):
    """CSI volumes of this node; see `kubelet.csi.volumes`."""

    async def set_up(self, source: CsiSource, context: "VolumeContext") -> Path:
        """The directory or the device. Raises MountError."""


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """`facts` are the addresses that only the node knows (see `environment.field_value`); `stamp` names a version of files."""

    pod: Object
    objects: ObjectSource
    facts: Mapping[str, str]
    allocatable: Mapping[str, Any]
    stamp: str
    node_memory: int
    csi: CsiMounter | None = None  # None: a node without CSI

    @property
    def group(self) -> int | None:
        return (self.pod["spec"].get("securityContext") or {}).get("fsGroup")

    @property
    def owner(self) -> int | None:
        """The user of all containers, if they agree: a token file is readable by that user only."""
        context = self.pod["spec"].get("securityContext") or {}
        users = {
            (one.get("securityContext") or {}).get("runAsUser", context.get("runAsUser"))
            for one in self.containers
        }
        return users.pop() if len(users) == 1 else None

    @property
    def containers(self) -> Sequence[dict[str, Any]]:
        spec = self.pod["spec"]
        return [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]


class VolumePlugin(Protocol):
    """`directory` is the volume's own place under the pod's directory."""

    @property
    def name(self) -> str:
        """E.g. `kubernetes.io/empty-dir`."""

    @property
    def is_read_only(self) -> bool:
        """Containers never write to such a volume, whatever their mounts say: its files are ours."""

    async def set_up(self, volume: dict[str, Any], directory: Path, context: VolumeContext) -> Path:
        """Make the volume be there, or bring it up to date; returns the path to mount. Idempotent. Raises MountError."""
