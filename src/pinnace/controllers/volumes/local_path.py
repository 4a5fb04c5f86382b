"""local-path-provisioner: volumes of the default storage class are directories below the cluster's own.

Works as an external provisioner does: the binder asks through annotations, this makes a volume for the node that the
scheduler chose, expands it (a directory has no size) and deletes it. Directories of this machine's node are made and removed
here, those of other machines by their kubelets; volumes of simulated nodes have none.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
)
from pinnace.apimachinery.errors import AlreadyExists
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, Key, following
from pinnace.client.interface import Client
from pinnace.component import volume_directory
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer, note
from pinnace.controllers.runtime.workers import Workers
from pinnace.controllers.volumes import local_path_volumes as rules
from pinnace.controllers.volumes.expander import wants_to_grow

CLASS_RECHECK = 1.0


@dataclass(frozen=True, slots=True)
class LocalPathConfig:
    """`node` is the node whose files this process reaches; "" when there is none. `others` reaches those of other machines."""

    directory: Path
    node: str = ""
    others: "Directories | None" = None


class Directories(Protocol):
    """On other machines. Both raise OSError in words for an event."""

    async def make(self, node: str, name: str) -> str:
        """Where the directory is there."""
        ...

    async def remove(self, node: str, name: str) -> None: ...


class LocalPathProvisioner:
    name = "local-path-provisioner"

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, config: LocalPathConfig, *,
        tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._client, self._config = client, config
        self._claims = informers.of(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = informers.of(PERSISTENT_VOLUMES)
        self._classes, self._nodes = informers.of(STORAGE_CLASSES), informers.of(NODES)
        self._recorder = EventRecorder(client, clock, rules.PROVISIONER)
        self._workers: Workers[Key] = Workers(
            self.name, clock, self._sync, count=4, recorder=self._recorder, about=self._about, tracer=tracer
        )
        self._queue, self.metrics = self._workers.queue, self._workers.metrics

    async def run(self) -> None:
        """Until cancelled."""
        for informer in (self._claims, self._volumes, self._classes, self._nodes):
            await informer.wait_synced()
        with following((self._claims, self._claim_changed), (self._volumes, self._volume_changed)):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._workers.run())

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (rules.is_wanted(new) or wants_to_grow(new)):
            self._queue.add(meta.key(new))

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (rules.is_to_be_deleted(new) or rules.keeps_finalizer(new)):
            self._queue.add(meta.key(new))

    def _about(self, key: Key) -> Object | None:
        return self._claims.lister.get(key[1], key[0]) if key[0] else self._volumes.lister.get(key[1])

    async def _sync(self, key: Key) -> None:
        await (self._claim(key) if key[0] else self._volume(key[1]))

    # --- claims

    async def _claim(self, key: Key) -> None:
        claim = self._claims.lister.get(key[1], key[0])
        if claim is None:
            return
        if wants_to_grow(claim):
            await self._grow(claim)
        elif rules.is_wanted(claim):
            await self._provision(claim)

    async def _provision(self, claim: Object) -> None:
        storage_class = self._classes.lister.get(binding.class_name(claim))
        if storage_class is None:
            self._queue.add_after(meta.key(claim), CLASS_RECHECK)
            return
        if why := rules.refusal(claim, storage_class):
            self._recorder.event(claim, "Warning", "ProvisioningFailed", why)
            return
        node_name = meta.annotations(claim)[binding.SELECTED_NODE]
        node = self._nodes.lister.get(node_name)
        if node is None:
            await self._choose_again(claim, node_name)
            return
        message = f'External provisioner is provisioning volume for claim "{meta.key_text(claim)}"'
        self._recorder.event(claim, "Normal", "Provisioning", message)
        try:
            directory = await self._make_directory(claim, node)
        except OSError as error:
            why = f"{rules.failed(storage_class)}{error}"
            self._recorder.event(claim, "Warning", "ProvisioningFailed", why)
            raise
        note(why=f"{directory} on {node_name}")
        try:
            await self._client.create(
                PERSISTENT_VOLUMES, rules.volume_for(claim, storage_class, node, directory)
            )
        except AlreadyExists:
            return
        message = f"Successfully provisioned volume {rules.name_of(claim)}"
        self._recorder.event(claim, "Normal", "ProvisioningSucceeded", message)

    async def _make_directory(self, claim: Object, node: Object) -> Path:
        directory = rules.directory_of(claim, self._config.directory)
        if meta.name(node) == self._config.node:
            await asyncio.to_thread(volume_directory.make, directory)
        elif self._config.others is not None and not rules.is_simulated(node):
            return Path(await self._config.others.make(meta.name(node), directory.name))
        return directory

    async def _choose_again(self, claim: Object, node: str) -> None:
        """The chosen node is gone: without the annotation the scheduler chooses another."""
        why = f'failed to get target node: node "{node}" not found'
        self._recorder.event(claim, "Warning", "ProvisioningFailed", why)
        body = {"metadata": {"uid": meta.uid(claim), "annotations": {binding.SELECTED_NODE: None}}}
        await self._client.patch(PERSISTENT_VOLUME_CLAIMS, meta.name(claim), body, meta.namespace(claim))

    async def _grow(self, claim: Object) -> None:
        volume = self._volumes.lister.get(claim["spec"]["volumeName"])
        if volume is None or not rules.is_ours(volume):
            return
        message = f"External resizer is resizing volume {meta.name(volume)}"
        self._recorder.event(claim, "Normal", "Resizing", message)
        if size := rules.missing_size(claim, volume):
            body = {"metadata": {"uid": meta.uid(volume)}, "spec": {"capacity": {"storage": size}}}
            await self._client.patch(PERSISTENT_VOLUMES, meta.name(volume), body)
        size = claim["spec"]["resources"]["requests"]["storage"]
        status = {"metadata": {"uid": meta.uid(claim)}, "status": {"capacity": {"storage": size}}}
        await self._client.patch(
            PERSISTENT_VOLUME_CLAIMS, meta.name(claim), status, meta.namespace(claim), subresource="status"
        )
        self._recorder.event(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")

    # --- volumes

    async def _volume(self, name: str) -> None:
        volume = self._volumes.lister.get(name)
        if volume is None:
            return
        if rules.is_to_be_deleted(volume):
            note(why="its claim is gone and it is not to be kept")
            try:
                await self._remove_directory(volume)
            except OSError as error:
                self._recorder.event(volume, "Warning", "VolumeFailedDelete", str(error))
                raise
            if not meta.is_terminating(volume):
                await self._client.delete(PERSISTENT_VOLUMES, name, uid=meta.uid(volume))
            await self._let_go(volume)
        elif rules.keeps_finalizer(volume):
            await self._let_go(volume)

    async def _remove_directory(self, volume: Object) -> None:
        name = meta.annotations(volume).get(rules.NODE_ANNOTATION) or ""
        path = Path((volume["spec"].get("hostPath") or {}).get("path") or "/")
        if name != self._config.node or not name:
            node = self._nodes.lister.get(name)  # None: its directories went with it
            if self._config.others is not None and node is not None and not rules.is_simulated(node):
                await self._config.others.remove(
                    name, path.name
                )  # below its own place, whatever else the path says
            return
        if path.parent != self._config.directory or not path.name.startswith("pvc-"):
            raise OSError(f"{path} is not a directory of this provisioner")
        await asyncio.to_thread(volume_directory.remove, path)

    async def _let_go(self, volume: Object) -> None:
        fresh = await self._client.get(PERSISTENT_VOLUMES, meta.name(volume))
        if meta.uid(fresh) != meta.uid(volume):
            return
        finalizers = [one for one in fresh["metadata"].get("finalizers") or () if one != rules.FINALIZER]
        body = {
            "metadata": {
                "uid": meta.uid(fresh),
                "resourceVersion": meta.resource_version(fresh),
                "finalizers": finalizers,
            }
        }
        await self._client.patch(PERSISTENT_VOLUMES, meta.name(volume), body)
