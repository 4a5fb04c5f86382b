"""Volumes made larger for claims that ask for more: the controller's half. As external-resizer.

The node's half, where a driver needs one, is the kubelet's: it is asked for in the claim's conditions.
"""

import asyncio

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.times import format_time
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Key, following
from pinnace.controllers.runtime.workers import Workers
from pinnace.controllers.volumes.csi import rules
from pinnace.controllers.volumes.csi.driver import Driver
from pinnace.controllers.volumes.expander import wants_to_grow
from pinnace.net.grpc_sockets import RpcError

WAITS_FOR_NODE = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
RESIZING, PENDING = "Resizing", "FileSystemResizePending"
LONGEST_PAUSE = 300.0


class Resizer:
    def __init__(self, driver: Driver) -> None:
        self._driver, self._client = driver, driver.client
        self._claims = driver.informers.of(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = driver.informers.of(PERSISTENT_VOLUMES)
        self._recorder = EventRecorder(driver.client, driver.clock, f"external-resizer {driver.name}")
        self._workers: Workers[Key] = Workers(
            f"csi-resizer {driver.name}", driver.clock, self._sync, count=10, max_delay=LONGEST_PAUSE,
            about=lambda key: self._claims.lister.get(key[1], key[0]), tracer=driver.tracer,
        )  # fmt: skip
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        await self._claims.wait_synced()
        await self._volumes.wait_synced()
        with following((self._claims, self._changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and wants_to_grow(new):
            self._queue.add(meta.key(new))

    async def _sync(self, key: Key) -> None:
        claim = self._claims.lister.get(key[1], key[0])
        if claim is None or not wants_to_grow(claim):
            return
        volume = self._volumes.lister.get(claim["spec"]["volumeName"])
        csi = (volume or {"spec": {}})["spec"].get("csi")
        if volume is None or csi is None or csi["driver"] != self._driver.name:
            return
        # what this wrote last may not be seen yet
        claim = await self._client.get(PERSISTENT_VOLUME_CLAIMS, key[1], key[0])
        volume = await self._client.get(PERSISTENT_VOLUMES, meta.name(volume))
        if not wants_to_grow(claim):
            return
        if binding.capacity(volume) >= binding.requested(claim) and _waits_for_node(claim):
            return
        await self._expand(claim, volume)

    async def _expand(self, claim: Object, volume: Object) -> None:
        name, csi = meta.name(volume), volume["spec"]["csi"]
        self._recorder.event(claim, "Normal", "Resizing", f"External resizer is resizing volume {name}")
        await self._say(claim, {"conditions": self._with(claim, RESIZING, "")})
        try:
            answer = await self._driver.endpoint.csi(
                "Controller", "ControllerExpandVolume", volume_id=csi["volumeHandle"],
                capacity_range={"required_bytes": int(binding.requested(claim))},
                secrets=await self._driver.secret_of(csi, "controllerExpandSecretRef"),
                volume_capability=rules.volume_capability(volume, self._driver.can),
            )  # fmt: skip
        except (RpcError, NotFound) as error:
            why = f'resize volume "{name}" by resizer "{self._driver.name}" failed: {error}'
            self._recorder.event(claim, "Warning", "VolumeResizeFailed", why)
            raise ConnectionError(why) from error
        size = quantity.format_quantity(answer.capacity_bytes, "binary")
        if quantity.parse(size) > binding.capacity(volume):
            body = {"metadata": {"uid": meta.uid(volume)}, "spec": {"capacity": {"storage": size}}}
            await self._client.patch(PERSISTENT_VOLUMES, name, body)
        if answer.node_expansion_required:
            await self._say(claim, {"conditions": self._with(claim, PENDING, WAITS_FOR_NODE)})
            message = "Require file system resize of volume on node"
            self._recorder.event(claim, "Normal", "FileSystemResizeRequired", message)
        else:
            await self._say(claim, {"conditions": self._with(claim, "", ""), "capacity": {"storage": size}})
            self._recorder.event(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")

    def _with(self, claim: Object, kind: str, message: str) -> list[Object]:
        """The claim's conditions, of which at most this one speaks of its size."""
        before = (claim.get("status") or {}).get("conditions") or ()
        kept = [one for one in before if one["type"] not in (RESIZING, PENDING)]
        if not kind:
            return kept
        fresh = {"type": kind, "status": "True", "lastTransitionTime": format_time(self._driver.clock.now())}
        return [*kept, {**fresh, "message": message} if message else fresh]

    async def _say(self, claim: Object, status: Object) -> None:
        body = {"metadata": {"uid": meta.uid(claim)}, "status": status}
        await self._client.patch(
            PERSISTENT_VOLUME_CLAIMS, meta.name(claim), body, meta.namespace(claim), subresource="status"
        )


def _waits_for_node(claim: Object) -> bool:
    return any(one["type"] == PENDING for one in (claim.get("status") or {}).get("conditions") or ())
