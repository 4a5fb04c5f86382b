"""What a new cluster has before anybody writes to it: system namespaces, the `kubernetes` service, the RBAC policy,
flow schemas and priority levels, the range of service addresses.

Runs at every start and creates only what is missing. Default roles and bindings get back what was taken from them, unless
their annotation `rbac.authorization.kubernetes.io/autoupdate` says "false".
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pinnace.api import resources as r
from pinnace.api.networking import servicecidrs
from pinnace.api.scheduling.priorityclasses import system_classes
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.apiserver import bootstrap_flow_control, kubernetes_service
from pinnace.apiserver.aggregation.registrations import local_services
from pinnace.apiserver.authn import extension_authentication
from pinnace.apiserver.authz import bootstrap_policy, reconciliation
from pinnace.apiserver.authz.policy_source import StoredPolicy
from pinnace.apiserver.health import HOOK
from pinnace.apiserver.registry.metadata import fill_on_create
from pinnace.apiserver.services import Services
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome

log = logging.getLogger(__name__)

Object = dict[str, Any]
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class Bootstrap:
    def __init__(self, services: Services) -> None:
        self._services, self._registries = services, services.registries

    async def run(self) -> None:
        await StoredPolicy(self._registries).load()
        done = self._services.health.done
        if self._services.fairness is not None:
            await self._services.fairness.source.load()
            done(HOOK + "priority-and-fairness-config-consumer")
        await self._services.custom_resources.load()
        done(HOOK + "start-apiextensions-informers", HOOK + "crd-informer-synced")
        now = self._services.clock.now()
        await asyncio.gather(
            self._ensure(r.NAMESPACES, map(_namespace, SYSTEM_NAMESPACES)),
            self._ensure(r.PRIORITY_CLASSES, system_classes()),
        )
        done(HOOK + "scheduling/bootstrap-system-priority-classes")
        await asyncio.gather(
            *(self._keep(gvr, objects) for gvr, objects in bootstrap_policy.objects()),
            *(self._ensure(gvr, objects) for gvr, objects in bootstrap_flow_control.objects(now)),
            self._ensure(r.API_SERVICES, local_services(r.TABLE, format_time(now))),
        )
        done(
            HOOK + "rbac/bootstrap-roles", HOOK + "priority-and-fairness-config-producer",
            HOOK + "kube-apiserver-autoregistration", "autoregister-completion",
        )  # fmt: skip
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
        cidrs, now = self._services.config.service_cidrs, self._services.clock.now()
        service = kubernetes_service.service(cidrs[0], port)
        await asyncio.gather(
            self._ensure(r.SERVICES, [service]),
            self._ensure(r.SERVICE_CIDRS, [kubernetes_service.service_cidr(cidrs, now)]),
            self._ensure(r.IP_ADDRESSES, [kubernetes_service.address_of(service)]),
        )
        await self._follow_service_cidrs(cidrs)
        await bootstrap_flow_control.maintain(self._registries)
        for gvr, obj in kubernetes_service.endpoints(address, port):
            await self._create(gvr, obj)
            storage, own = self._registries.of(gvr).storage, obj["metadata"]

            async def current(item: Item, obj: Object = obj) -> Object | Outcome:
                wanted = {key: value for key, value in obj.items() if key != "metadata"}
                return {**item.obj, **wanted}

            await storage.update(own["name"], own["namespace"], current)
        self._services.health.done(
            HOOK + "start-kubernetes-service-cidr-controller", HOOK + "bootstrap-controller"
        )

    async def _follow_service_cidrs(self, cidrs: tuple[str, ...]) -> None:
        """A cluster that becomes dual stack gets the second range; any other change of the flag is refused by the API's rules."""

        async def widened(item: Item) -> Object | Outcome:
            stored = tuple(servicecidrs.cidrs(item.obj))
            if stored == cidrs:
                return Outcome.KEEP
            if len(stored) == 1 and cidrs[:1] == stored:
                return {**item.obj, "spec": {"cidrs": list(cidrs)}}
            log.warning("the default ServiceCIDR stays %s, although the flag says %s", stored, cidrs)
            return Outcome.KEEP

        await self._registries.of(r.SERVICE_CIDRS).storage.update(servicecidrs.DEFAULT_NAME, "", widened)

    async def _keep(self, gvr: GVR, objects: Iterable[Object]) -> None:
        """RBAC objects: created when missing, else given back what they lack."""
        await asyncio.gather(*(self._keep_one(gvr, obj) for obj in objects))

    async def _keep_one(self, gvr: GVR, wanted: Object) -> None:
        storage, metadata = self._registries.of(gvr).storage, wanted["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        try:
            current = (await storage.get(name, namespace)).obj
        except errors.NotFound:
            await self._add(gvr, wanted)
            return
        if reconciliation.reconciled(current, wanted) is None:
            return
        if current.get("roleRef", wanted.get("roleRef")) != wanted.get("roleRef"):
            await storage.delete(name, namespace)  # a roleRef cannot be changed
            await self._create(gvr, wanted)
            return

        async def change(item: Item) -> Object | Outcome:
            found = reconciliation.reconciled(item.obj, wanted)
            return Outcome.KEEP if found is None else found

        await storage.update(name, namespace, change)

    async def _ensure(self, gvr: GVR, objects: Iterable[Object]) -> None:
        """Writes that are issued together share a commit of the store."""
        await asyncio.gather(*(self._create(gvr, obj) for obj in objects))

    async def _create(self, gvr: GVR, obj: Object) -> None:
        """Straight into the storage: the server's own objects need no judging, and a start needs no schemas."""
        storage, metadata = self._registries.of(gvr).storage, obj["metadata"]
        try:
            await storage.get(metadata["name"], metadata.get("namespace", ""))
        except errors.NotFound:
            await self._add(gvr, obj)

    async def _add(self, gvr: GVR, obj: Object) -> None:
        """What was not there a moment ago; another server may have been faster."""
        fill_on_create(obj, self._services.clock.now())
        with suppress(errors.AlreadyExists):
            await self._registries.of(gvr).storage.create(obj)


def _namespace(name: str) -> Object:
    labels = {"kubernetes.io/metadata.name": name}
    return {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
