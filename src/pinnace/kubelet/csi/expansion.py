"""The node's half of a volume's growth: the file system follows when the volume has become larger than its claim knows.

Upstream: pkg/volume/util/operationexecutor/node_expander.go
"""

from pathlib import Path

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from pinnace.apimachinery import quantity
from pinnace.client.events import EventRecorder
from pinnace.client.interface import Client
from pinnace.kubelet.csi import source as rules
from pinnace.kubelet.csi.drivers import CsiDriver
from pinnace.kubelet.csi.source import CsiSource
from pinnace.net.grpc_sockets import RpcError

OF_SIZE = ("Resizing", "FileSystemResizePending")


class Expansion:
    def __init__(self, client: Client, recorder: EventRecorder, node_name: str) -> None:
        self._client, self._recorder, self._node = client, recorder, node_name

    async def follow(
        self, source: CsiSource, driver: CsiDriver, target: Path, staging: str, secrets: dict[str, str], pod: Object
    ) -> None:  # fmt: skip
        """Ask for claim and volume, which a node may not watch; a failure is told and tried at the pod's next sync."""
        if source.volume is None or source.claim is None or source.read_only:
            return
        volume = await self._client.get(PERSISTENT_VOLUMES, source.name)
        space, name = meta.namespace(source.claim), meta.name(source.claim)
        claim = await self._client.get(PERSISTENT_VOLUME_CLAIMS, name, space)
        has = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
        size = binding.capacity(volume)
        if has is None or meta.uid(claim) != meta.uid(source.claim) or quantity.parse(has) >= size:
            return
        try:
            await driver.endpoint.csi(
                "Node", "NodeExpandVolume", volume_id=source.handle, volume_path=str(target),
                staging_target_path=staging, capacity_range={"required_bytes": int(size)}, secrets=secrets,
                volume_capability=rules.capability(source, driver.capabilities, None),
            )  # fmt: skip
        except RpcError as error:
            text = f'MountVolume.NodeExpandVolume failed for volume "{source.name}" : {error}'
            self._recorder.event(pod, "Warning", "FileSystemResizeFailed", text)
            return
        conditions = (claim.get("status") or {}).get("conditions") or ()
        status = {
            "capacity": {"storage": volume["spec"]["capacity"]["storage"]},
            "conditions": [one for one in conditions if one["type"] not in OF_SIZE],
        }
        body = {"metadata": {"uid": meta.uid(claim)}, "status": status}
        await self._client.patch(PERSISTENT_VOLUME_CLAIMS, name, body, space, subresource="status")
        text = f'MountVolume.NodeExpandVolume succeeded for volume "{source.name}" {self._node}'
        for about in (pod, claim):
            self._recorder.event(about, "Normal", "FileSystemResizeSuccessful", text)
