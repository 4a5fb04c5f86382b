"""VolumeAttachments carried out by the driver. As external-attacher."""

import json

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CSI_NODES, NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.client.informer import Key, following
from pinnace.controllers.runtime.workers import Workers
from pinnace.controllers.volumes.csi import rules
from pinnace.controllers.volumes.csi.driver import Driver
from pinnace.controllers.volumes.csi.provisioner import drop_finalizer
from pinnace.net.csi.messages import ControllerCapability
from pinnace.net.grpc_sockets import RpcError

NODE_ID = "csi.alpha.kubernetes.io/node-id"
LONGEST_PAUSE = 300.0


class Attacher:
    """A key with a namespace of "pv" is a volume that may be let go."""

    def __init__(self, driver: Driver) -> None:
        self._driver, self._client = driver, driver.client
        self._finalizer = f"external-attacher/{driver.name.replace('/', '-')}"
        of = driver.informers.of
        self._attachments, self._volumes, self._csi_nodes = (
            of(VOLUME_ATTACHMENTS),
            of(PERSISTENT_VOLUMES),
            of(CSI_NODES),
        )
        self._workers: Workers[Key] = Workers(
            f"csi-attacher {driver.name}", driver.clock, self._sync, count=10, max_delay=LONGEST_PAUSE,
            about=self._object, tracer=driver.tracer,
        )  # fmt: skip
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        for informer in (self._attachments, self._volumes, self._csi_nodes):
            await informer.wait_synced()
        with following((self._attachments, self._changed), (self._volumes, self._volume_changed)):
            await self._workers.run()

    def _changed(self, old: Object | None, new: Object | None) -> None:
        one = new if new is not None else old
        assert one is not None
        if one["spec"].get("attacher") != self._driver.name:
            return
        if new is not None:
            self._queue.add(meta.key(new))
        elif name := (one["spec"].get("source") or {}).get("persistentVolumeName"):
            self._queue.add(("pv", name))

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        if (
            new is not None
            and meta.is_terminating(new)
            and self._finalizer in (new["metadata"].get("finalizers") or ())
        ):
            self._queue.add(("pv", meta.name(new)))

    def _object(self, key: Key) -> Object | None:
        return (self._volumes if key[0] == "pv" else self._attachments).lister.get(key[1])

    async def _sync(self, key: Key) -> None:
        if key[0] == "pv":
            await self._release(key[1])
            return
        if self._attachments.lister.get(key[1]) is None:
            return
        attachment = await self._client.get(
            VOLUME_ATTACHMENTS, key[1]
        )  # what this wrote last may not be seen yet
        if meta.is_terminating(attachment):
            await self._detach(attachment)
        elif not (attachment.get("status") or {}).get("attached"):
            await self._attach(attachment)

    async def _attach(self, attachment: Object) -> None:
        try:
            context = await self._publish(attachment)
        except (RpcError, NotFound, ValueError) as error:
            await self._say(attachment, {"attached": False, "attachError": self._error(error)})
            raise ConnectionError(str(error)) from error
        status: Object = {"attached": True, "attachError": None}
        if context:
            status["attachmentMetadata"] = context
        await self._say(attachment, status)

    async def _publish(self, attachment: Object) -> dict[str, str]:
        """ControllerPublishVolume; {} from drivers that have nothing to attach."""
        if ControllerCapability.PUBLISH_UNPUBLISH not in self._driver.can:
            return {}
        name = (attachment["spec"].get("source") or {}).get("persistentVolumeName") or ""
        volume = await self._client.get(PERSISTENT_VOLUMES, name)
        if meta.is_terminating(volume):
            raise ValueError(f'PersistentVolume "{name}" is marked for deletion')
        csi, node_id = volume["spec"]["csi"], await self._node_id(attachment)
        await self._hold(volume, PERSISTENT_VOLUMES, {})
        await self._hold(attachment, VOLUME_ATTACHMENTS, {NODE_ID: node_id})
        answer = await self._driver.endpoint.csi(
            "Controller", "ControllerPublishVolume", volume_id=csi["volumeHandle"], node_id=node_id,
            readonly=bool(csi.get("readOnly")) and ControllerCapability.PUBLISH_READONLY in self._driver.can,
            volume_capability=rules.volume_capability(volume, self._driver.can),
            volume_context=csi.get("volumeAttributes") or {},
            secrets=await self._driver.secret_of(csi, "controllerPublishSecretRef"),
        )  # fmt: skip
        return dict(answer.publish_context)

    async def _node_id(self, attachment: Object) -> str:
        """How the driver calls the node; the attachment remembers it, because the node may be gone when it is detached."""
        node = attachment["spec"]["nodeName"]
        csi_node = self._csi_nodes.lister.get(node)
        for entry in (csi_node or {"spec": {}})["spec"].get("drivers") or ():
            if entry["name"] == self._driver.name:
                found: str = entry["nodeID"]
                return found
        if known := meta.annotations(attachment).get(NODE_ID):
            return known
        try:
            ids = (
                meta.annotations(await self._client.get(NODES, node)).get("csi.volume.kubernetes.io/nodeid")
                or "{}"
            )
            return str(json.loads(ids)[self._driver.name])
        except (KeyError, NotFound) as error:
            raise ValueError(f"CSINode {node} does not contain driver {self._driver.name}") from error

    async def _hold(self, obj: Object, gvr: GVR, annotations: dict[str, str]) -> None:
        fresh = await self._client.get(gvr, meta.name(obj))
        finalizers = fresh["metadata"].get("finalizers") or []
        new = {key: value for key, value in annotations.items() if meta.annotations(fresh).get(key) != value}
        if self._finalizer in finalizers and not new:
            return
        guard = {"uid": meta.uid(obj), "resourceVersion": meta.resource_version(fresh)}
        held = finalizers if self._finalizer in finalizers else [*finalizers, self._finalizer]
        await self._client.patch(
            gvr, meta.name(obj), {"metadata": {**guard, "finalizers": held, "annotations": new}}
        )

    async def _detach(self, attachment: Object) -> None:
        if self._finalizer not in (attachment["metadata"].get("finalizers") or ()):
            return
        try:
            await self._unpublish(attachment)
        except (RpcError, NotFound, ValueError) as error:
            await self._say(attachment, {"detachError": self._error(error)})
            raise ConnectionError(str(error)) from error
        if (attachment.get("status") or {}).get("attached"):
            await self._say(attachment, {"attached": False, "detachError": None, "attachmentMetadata": None})
        fresh = await self._client.get(VOLUME_ATTACHMENTS, meta.name(attachment))
        left = [one for one in fresh["metadata"].get("finalizers") or () if one != self._finalizer]
        guard = {"uid": meta.uid(attachment), "resourceVersion": meta.resource_version(fresh)}
        await self._client.patch(
            VOLUME_ATTACHMENTS, meta.name(attachment), {"metadata": {**guard, "finalizers": left}}
        )

    async def _unpublish(self, attachment: Object) -> None:
        if ControllerCapability.PUBLISH_UNPUBLISH not in self._driver.can:
            return
        name = (attachment["spec"].get("source") or {}).get("persistentVolumeName") or ""
        csi = (await self._client.get(PERSISTENT_VOLUMES, name))["spec"]["csi"]
        await self._driver.endpoint.csi(
            "Controller", "ControllerUnpublishVolume", volume_id=csi["volumeHandle"],
            node_id=await self._node_id(attachment),
            secrets=await self._driver.secret_of(csi, "controllerPublishSecretRef"),
        )  # fmt: skip

    async def _release(self, name: str) -> None:
        """A volume that is being deleted goes when nothing has it attached."""
        volume = self._volumes.lister.get(name)
        if volume is None or not meta.is_terminating(volume):
            return
        sources = ((one["spec"].get("source") or {}) for one in self._attachments.lister)
        if not any(one.get("persistentVolumeName") == name for one in sources):
            await drop_finalizer(self._driver, volume, self._finalizer)

    def _error(self, error: Exception) -> Object:
        return {"time": format_time(self._driver.clock.now()), "message": str(error)}

    async def _say(self, attachment: Object, status: Object) -> None:
        body = {"metadata": {"uid": meta.uid(attachment)}, "status": status}
        await self._client.patch(VOLUME_ATTACHMENTS, meta.name(attachment), body, subresource="status")
