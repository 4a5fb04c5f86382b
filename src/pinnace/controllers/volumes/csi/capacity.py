"""CSIStorageCapacity objects: how much room a driver has, for each of its classes and places. As external-provisioner.

The scheduler reads them for drivers whose CSIDriver says `storageCapacity`. Room changes with every volume made or deleted,
so the driver is asked again then, and once a minute, because others may use it, too.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
from typing import Any

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import (
    CSI_DRIVERS,
    CSI_NODES,
    CSI_STORAGE_CAPACITIES,
    NODES,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
)
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import AlreadyExists, NotFound, StatusError
from pinnace.client.informer import following
from pinnace.controllers.volumes.csi import rules
from pinnace.controllers.volumes.csi.driver import Driver
from pinnace.controllers.volumes.csi.rules import Topology
from pinnace.net.grpc_sockets import RpcError

log = logging.getLogger(__name__)

POLL_SECONDS, SETTLE_SECONDS = 60.0, 0.2
NAMESPACE = "kube-system"
DRIVER_LABEL, MANAGED_LABEL = "csi.storage.k8s.io/drivername", "csi.storage.k8s.io/managed-by"
MANAGER = "pinnace"


class Capacities:
    def __init__(self, driver: Driver) -> None:
        self._driver, self._client, self._clock = driver, driver.client, driver.clock
        of = driver.informers.of
        self._classes, self._nodes, self._csi_nodes = of(STORAGE_CLASSES), of(NODES), of(CSI_NODES)
        self._volumes, self._drivers = of(PERSISTENT_VOLUMES), of(CSI_DRIVERS)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        watched = (self._classes, self._csi_nodes, self._volumes, self._drivers)
        for informer in (*watched, self._nodes):
            await informer.wait_synced()
        with following(*((informer, self._wake) for informer in watched)):
            while True:
                self._changed.clear()
                try:
                    await self.publish()
                except (RpcError, StatusError, OSError) as error:
                    log.warning("capacity of CSI driver %s: %s", self._driver.name, error)
                with contextlib.suppress(TimeoutError):
                    await self._clock.wait_for(self._changed.wait(), POLL_SECONDS)
                await self._clock.sleep(SETTLE_SECONDS)

    def _wake(self, old: Object | None, new: Object | None) -> None:
        one = new if new is not None else old
        assert one is not None
        if one["kind"] != "PersistentVolume" or (old is None) != (new is None):
            self._changed.set()

    async def publish(self) -> None:
        """Make the objects say what the driver says now."""
        kind = self._drivers.lister.get(self._driver.name)
        wanted: dict[str, Object] = {}
        if kind is not None and kind["spec"].get("storageCapacity"):
            for storage_class in self._classes.lister:
                is_ours = storage_class["provisioner"] == self._driver.name
                if is_ours and binding.waits_for_consumer(storage_class):
                    for place in self._places(storage_class):
                        one = await self._measure(storage_class, place)
                        wanted[meta.name(one)] = one
        selector = f"{DRIVER_LABEL}={self._driver.name},{MANAGED_LABEL}={MANAGER}"
        listed = await self._client.list(CSI_STORAGE_CAPACITIES, NAMESPACE, label_selector=selector)
        there = {meta.name(one): one for one in listed["items"]}
        for name, one in wanted.items():
            await self._put(one, there.get(name))
        for name in there.keys() - wanted.keys():
            with contextlib.suppress(NotFound):
                await self._client.delete(CSI_STORAGE_CAPACITIES, name, NAMESPACE)

    def _places(self, storage_class: Object) -> list[Topology]:
        """One without labels for a driver that is everywhere the same."""
        if not self._driver.has_topology:
            return [{}]
        nodes = {meta.name(one): one for one in self._nodes.lister}
        there = rules.topologies(self._driver.name, self._csi_nodes.lister, nodes)
        return list(rules.requirement(there, "", storage_class)[0])

    async def _measure(self, storage_class: Object, place: Topology) -> Object:
        parameters = storage_class.get("parameters") or {}
        request: dict[str, Any] = {
            "parameters": {k: v for k, v in parameters.items() if not k.startswith(rules.PREFIX)}
        }
        if place:
            request["accessible_topology"] = {"segments": dict(place)}
        answer = await self._driver.endpoint.csi("Controller", "GetCapacity", **request)
        identity = json.dumps([self._driver.name, meta.name(storage_class), sorted(place.items())])
        name = f"csisc-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
        labels = {DRIVER_LABEL: self._driver.name, MANAGED_LABEL: MANAGER}
        body: Object = {
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "storageClassName": meta.name(storage_class), "nodeTopology": {"matchLabels": dict(place)} if place else {},
            "capacity": quantity.format_quantity(answer.available_capacity, "binary"),
        }  # fmt: skip
        if answer.HasField("maximum_volume_size"):
            body["maximumVolumeSize"] = quantity.format_quantity(answer.maximum_volume_size.value, "binary")
        return body

    async def _put(self, one: Object, there: Object | None) -> None:
        fields = ("capacity", "maximumVolumeSize")
        if there is None:
            with contextlib.suppress(AlreadyExists):
                await self._client.create(CSI_STORAGE_CAPACITIES, one, NAMESPACE)
        elif any(there.get(field) != one.get(field) for field in fields):
            body = {field: one.get(field) for field in fields}
            await self._client.patch(CSI_STORAGE_CAPACITIES, meta.name(one), body, NAMESPACE)
