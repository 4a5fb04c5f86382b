"""Volumes made for claims that ask this driver, and deleted when they are released. As external-provisioner."""

import asyncio

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import (
    CSI_NODES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    VOLUME_ATTACHMENTS,
)
from pinnace.apimachinery.errors import AlreadyExists, NotFound
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Key, following
from pinnace.controllers.runtime.workers import Workers
from pinnace.controllers.volumes.csi import rules
from pinnace.controllers.volumes.csi.driver import Driver
from pinnace.controllers.volumes.csi.rules import Refused, Wish
from pinnace.net.grpc_sockets import RpcError

CLASS_RECHECK, ATTACHED_RECHECK, LONGEST_PAUSE = 1.0, 2.0, 300.0


class Provisioner:
    def __init__(self, driver: Driver, identity: str) -> None:
        self._driver, self._client, self._identity = driver, driver.client, identity
        of = driver.informers.of
        self._claims, self._volumes = of(PERSISTENT_VOLUME_CLAIMS), of(PERSISTENT_VOLUMES)
        self._classes, self._nodes, self._csi_nodes = of(STORAGE_CLASSES), of(NODES), of(CSI_NODES)
        self._attachments = of(VOLUME_ATTACHMENTS)
        self._recorder = EventRecorder(driver.client, driver.clock, driver.name)
        self._workers: Workers[Key] = Workers(
            f"csi-provisioner {driver.name}", driver.clock, self._sync, count=10, max_delay=LONGEST_PAUSE,
            about=self._object, tracer=driver.tracer,
        )  # fmt: skip
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        for informer in (
            self._claims,
            self._volumes,
            self._classes,
            self._nodes,
            self._csi_nodes,
            self._attachments,
        ):
            await informer.wait_synced()
        with following((self._claims, self._claim_changed), (self._volumes, self._volume_changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _object(self, key: Key) -> Object | None:
        return self._claims.lister.get(key[1], key[0]) if key[0] else self._volumes.lister.get(key[1])

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and self._is_wanted(new):
            self._queue.add(meta.key(new))

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (rules.is_to_be_deleted(new, self._driver.name) or self._is_let_go(new)):
            self._queue.add(meta.key(new))

    def _is_wanted(self, claim: Object) -> bool:
        notes = meta.annotations(claim)
        asked = notes.get(binding.PROVISIONER) or notes.get(binding.BETA_PROVISIONER)
        return (
            asked == self._driver.name
            and not claim["spec"].get("volumeName")
            and not meta.is_terminating(claim)
        )

    def _is_let_go(self, volume: Object) -> bool:
        """A retained volume of ours that is deleted by hand only loses its finalizer."""
        ours = meta.annotations(volume).get(binding.PROVISIONED_BY) == self._driver.name
        held = rules.FINALIZER in (volume["metadata"].get("finalizers") or ())
        retained = volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete"
        return ours and held and retained and meta.is_terminating(volume)

    async def _sync(self, key: Key) -> None:
        await (self._claim(key) if key[0] else self._volume(key[1]))

    # --- claims

    async def _claim(self, key: Key) -> None:
        claim = self._claims.lister.get(key[1], key[0])
        if claim is None or not self._is_wanted(claim):
            return
        if self._volumes.lister.get(f"pvc-{meta.uid(claim)}") is not None:
            return  # made already: now it is to be bound
        storage_class = self._classes.lister.get(binding.class_name(claim))
        if storage_class is None:
            self._queue.add_after(key, CLASS_RECHECK)
            return
        selected = meta.annotations(claim).get(binding.SELECTED_NODE, "")
        if binding.waits_for_consumer(storage_class) and not selected:
            return
        message = f'External provisioner is provisioning volume for claim "{meta.key_text(claim)}"'
        self._recorder.event(claim, "Normal", "Provisioning", message)
        try:
            wish = self._wish(claim, storage_class, selected)
            volume = await self._make(wish)
        except (Refused, RpcError, NotFound) as error:
            name = meta.name(storage_class)
            why = f'failed to provision volume with StorageClass "{name}": {error}'
            self._recorder.event(claim, "Warning", "ProvisioningFailed", why)
            if isinstance(error, RpcError) and error.code == "RESOURCE_EXHAUSTED" and selected:
                await self._choose_again(claim)
            elif isinstance(error, Refused):
                return  # until the claim changes
            else:
                raise ConnectionError(str(error)) from error
        else:
            message = f"Successfully provisioned volume {meta.name(volume)}"
            self._recorder.event(claim, "Normal", "ProvisioningSucceeded", message)

    def _wish(self, claim: Object, storage_class: Object, selected: str) -> Wish:
        if why := rules.refusal(claim):
            raise Refused(why)
        wish = (claim, storage_class, self._driver.name, self._driver.can)
        if not self._driver.has_topology:
            return Wish(*wish)
        nodes = {meta.name(one): one for one in self._nodes.lister}
        there = rules.topologies(self._driver.name, self._csi_nodes.lister, nodes)
        if selected and selected not in there:
            raise Refused(
                f"error generating accessibility requirements: no topology key found on CSINode {selected}"
            )
        return Wish(*wish, *rules.requirement(there, selected, storage_class))

    async def _make(self, wish: Wish) -> Object:
        """CreateVolume goes by the name: it may be asked twice."""
        secrets = await self._driver.secret(rules.secret_of(wish, "provisioner"))
        answer = await self._driver.endpoint.csi(
            "Controller", "CreateVolume", **rules.create_request(wish, secrets)
        )
        volume = rules.volume_for(wish, answer.volume, self._identity)
        try:
            return await self._client.create(PERSISTENT_VOLUMES, volume)
        except AlreadyExists:
            return volume

    async def _choose_again(self, claim: Object) -> None:
        """Without the annotation the scheduler chooses another node."""
        body = {"metadata": {"uid": meta.uid(claim), "annotations": {binding.SELECTED_NODE: None}}}
        await self._client.patch(PERSISTENT_VOLUME_CLAIMS, meta.name(claim), body, meta.namespace(claim))

    # --- volumes

    async def _volume(self, name: str) -> None:
        if self._volumes.lister.get(name) is None:
            return
        volume = await self._client.get(PERSISTENT_VOLUMES, name)  # what this wrote last may not be seen yet
        if meta.is_terminating(volume) and rules.FINALIZER not in (
            volume["metadata"].get("finalizers") or ()
        ):
            return
        if not rules.is_to_be_deleted(volume, self._driver.name):
            if self._is_let_go(volume):
                await self._let_go(volume)
            return
        if (node := self._still_attached(name)) is not None:
            why = f"persistentvolume {name} is still attached to node {node}"
            self._recorder.event(volume, "Warning", "VolumeFailedDelete", why)
            self._queue.add_after(meta.key(volume), ATTACHED_RECHECK)
            return
        notes = meta.annotations(volume)
        reference = notes.get(rules.DELETE_SECRET_SPACE), notes.get(rules.DELETE_SECRET_NAME)
        try:
            secrets = await self._driver.secret(
                (reference[0], reference[1]) if reference[0] and reference[1] else None
            )
            handle = volume["spec"]["csi"]["volumeHandle"]
            await self._driver.endpoint.csi("Controller", "DeleteVolume", volume_id=handle, secrets=secrets)
        except (RpcError, NotFound) as error:
            self._recorder.event(volume, "Warning", "VolumeFailedDelete", str(error))
            raise ConnectionError(str(error)) from error
        if not meta.is_terminating(volume):
            await self._client.delete(PERSISTENT_VOLUMES, name, uid=meta.uid(volume))
        await self._let_go(volume)

    def _still_attached(self, name: str) -> str | None:
        for one in self._attachments.lister:
            if (one["spec"].get("source") or {}).get("persistentVolumeName") == name:
                node: str = one["spec"]["nodeName"]
                return node
        return None

    async def _let_go(self, volume: Object) -> None:
        await drop_finalizer(self._driver, volume, rules.FINALIZER)


async def drop_finalizer(driver: Driver, volume: Object, finalizer: str) -> None:
    """Take it off the volume; NotFound when the volume is gone, Conflict when it changed meanwhile."""
    fresh = await driver.client.get(PERSISTENT_VOLUMES, meta.name(volume))
    if meta.uid(fresh) != meta.uid(volume):
        return
    before = fresh["metadata"].get("finalizers") or []
    if finalizer in before:
        guard = {"uid": meta.uid(fresh), "resourceVersion": meta.resource_version(fresh)}
        body = {"metadata": {**guard, "finalizers": [one for one in before if one != finalizer]}}
        await driver.client.patch(PERSISTENT_VOLUMES, meta.name(volume), body)
