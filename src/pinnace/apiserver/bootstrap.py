"""What a new cluster has before anybody writes to it: system namespaces, the `kubernetes` service, the RBAC policy.

Runs at every start and creates only what is missing. Roles and bindings that somebody changed are left as they are.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.apiserver import kubernetes_service
from pinnace.apiserver.aggregation.registrations import local_services
from pinnace.apiserver.authn import extension_authentication
from pinnace.apiserver.authz import bootstrap_policy
from pinnace.apiserver.authz.policy_source import StoredPolicy
from pinnace.apiserver.registry.metadata import fill_on_create
from pinnace.apiserver.services import Services
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome

Object = dict[str, Any]
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Bootstrap:
    def __init__(self, services: Services) -> None:
        self._services, self._registries = services, services.registries

    async def run(self) -> None:
        await StoredPolicy(self._registries).load()
        if self._services.fairness is not None:
            await self._services.fairness.source.load()
        await self._services.custom_resources.load()
        await self._ensure(r.NAMESPACES, map(_namespace, SYSTEM_NAMESPACES))
        await asyncio.gather(*(self._ensure(gvr, objects) for gvr, objects in bootstrap_policy.objects()))
        now = format_time(self._services.clock.now())
        await self._ensure(r.API_SERVICES, local_services(r.TABLE, now))
        await self._publish_authentication()

    async def _publish_authentication(self) -> None:
        """What extension API servers need to know of users and of the front proxy; kept as this server is configured."""
        wanted = extension_authentication.config_map(self._services.config)
        await self._create(r.CONFIG_MAPS, wanted)

        async def current(item: Item) -> Object | Outcome:
            same = {**(item.obj.get("data") or {}), **wanted["data"]} == item.obj.get("data")
            return Outcome.KEEP if same else {**item.obj, "data": wanted["data"]}

        own = wanted["metadata"]
        await self._registries.of(r.CONFIG_MAPS).storage.update(own["name"], own["namespace"], current)

    async def publish(self, port: int) -> None:
        """The `kubernetes` service and its endpoint, once the port is known; an endpoint that moved is replaced."""
        address = kubernetes_service.advertised_address(self._services.config)
        service = kubernetes_service.service(self._services.config.service_cidr, port)
        await self._ensure(r.SERVICES, [service])
        for gvr, obj in kubernetes_service.endpoints(address, port):
            await self._create(gvr, obj)
            storage, own = self._registries.of(gvr).storage, obj["metadata"]

            async def current(item: Item, obj: Object = obj) -> Object | Outcome:
                wanted = {key: value for key, value in obj.items() if key != "metadata"}
                return {**item.obj, **wanted}

            await storage.update(own["name"], own["namespace"], current)

    async def _ensure(self, gvr: GVR, objects: Iterable[Object]) -> None:
        """Writes that are issued together share a commit of the store."""
        await asyncio.gather(*(self._create(gvr, obj) for obj in objects))

    async def _create(self, gvr: GVR, obj: Object) -> None:
        """Straight into the storage: the server's own objects need no judging, and a start needs no schemas."""
        storage, metadata = self._registries.of(gvr).storage, obj["metadata"]
        try:
            await storage.get(metadata["name"], metadata.get("namespace", ""))
        except errors.NotFound:
            fill_on_create(obj, self._services.clock.now())
            with suppress(errors.AlreadyExists):
                await storage.create(obj)


def _namespace(name: str) -> Object:
    labels = {"kubernetes.io/metadata.name": name}
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
