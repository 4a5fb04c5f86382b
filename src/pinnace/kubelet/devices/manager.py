"""Offers the devices of plugins as the node's extended resources, and assigns them to containers when pods are admitted.

Plugins register at `device-plugins/kubelet.sock` below the kubelet's directory, and answer at a socket beside it.
https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/
Left out: topology hints.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from pinnace.api import meta, names
from pinnace.api.core import pod_resources, pods
from pinnace.api.meta import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.devices.assignments import FILE, Access, Assignment, Assignments, choose
from pinnace.kubelet.devices.messages import REGISTER, VERSION, message_classes
from pinnace.kubelet.devices.plugin import HEALTHY, Plugin
from pinnace.net.grpc_sockets import RpcError, serving

log = logging.getLogger(__name__)

SOCKET = "kubelet.sock"
FORGET_SECONDS = 300.0  # how long devices of a plugin that went away stay in the capacity


class AllocationError(Exception):
    """A pod cannot have the devices that it asks for."""


class DeviceManager:
    """Implements `contracts.NodeEdge`. `changed` is told when the node's resources are others; `is_alive(uid)` knows pods."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        changed: Callable[[], None],
        wake: Callable[[str], None],
        is_alive: Callable[[str], bool],
    ) -> None:
        self._directory, self._clock = directory, clock
        self._changed, self._wake, self._is_alive = changed, wake, is_alive
        self._plugins: dict[str, Plugin] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._gone: set[str] = set()  # resources that were offered once and are no more
        self._lock = asyncio.Lock()
        self._assigned = Assignments(directory)
        self._assigned.load()
        self._lost = dict(self._assigned.known)  # of an earlier kubelet, until their plugins register again

    # -- plugins -------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Listen for plugins. Sockets of an earlier kubelet's plugins go: so plugins notice, and register again."""
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for entry in self._directory.iterdir():
            if entry.name != FILE and not entry.is_dir():
                entry.unlink(missing_ok=True)
        service, _, method = REGISTER.strip("/").partition("/")
        methods = {method: (message_classes()["RegisterRequest"], self._register)}
        async with serving(self._directory / SOCKET, service, methods) as server:
            forgetting = asyncio.create_task(self._forget_lost())
            try:
                await server.wait_for_termination()
            finally:
                tasks = [*self._watches.values(), forgetting]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _register(self, request: Any, context: Any) -> Any:
        import grpc

        problem = refusal(request.version, request.resource_name)
        if problem:
            await context.abort(grpc.StatusCode.UNKNOWN, problem)
        name = request.resource_name
        plugin = Plugin(
            name, self._directory / Path(request.endpoint).name,
            prefers=request.options.get_preferred_allocation_available, prepares=request.options.pre_start_required,
        )  # fmt: skip
        log.info("device plugin for %s registers", name)
        if (before := self._watches.pop(name, None)) is not None:
            before.cancel()
        if (old := self._plugins.get(name)) is not None:
            plugin.devices = dict.fromkeys(old.devices, "Unhealthy")
        self._plugins[name] = plugin
        self._lost.pop(name, None)
        self._gone.discard(name)
        self._watches[name] = asyncio.create_task(self._follow(plugin), name=f"device plugin {name}")
        return message_classes()["Empty"]()

    async def _follow(self, plugin: Plugin) -> None:
        """Its devices count while it is there; a plugin that stays away is forgotten."""
        try:
            await plugin.watch(lambda: self._devices_changed(plugin.resource))
        except Exception as error:
            log.info("device plugin for %s: %s", plugin.resource, error)
        plugin.is_connected = False
        self._devices_changed(plugin.resource)
        await self._clock.sleep(FORGET_SECONDS)
        del self._plugins[plugin.resource]
        self._gone.add(plugin.resource)
        self._devices_changed(plugin.resource)

    async def _forget_lost(self) -> None:
        """Plugins of an earlier kubelet have as long to come back."""
        if self._lost:
            await self._clock.sleep(FORGET_SECONDS)
            self._gone |= self._lost.keys()
            self._lost.clear()
            self._changed()

    def _devices_changed(self, resource: str) -> None:
        self._save()
        self._changed()
        for uid in {one.uid for one in self._assigned if one.resource == resource}:
            self._wake(uid)

    def amounts(self) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Capacity and allocatable; unhealthy devices count only in the capacity, those of a forgotten plugin are none."""
        capacity = {name: Decimal(0) for name in self._gone}
        allocatable = dict(capacity)
        for name, ids in self._lost.items():
            capacity[name], allocatable[name] = Decimal(len(ids)), Decimal(0)
        for name, plugin in self._plugins.items():
            capacity[name], allocatable[name] = Decimal(len(plugin.devices)), Decimal(len(plugin.healthy))
        return capacity, allocatable

    # -- containers ----------------------------------------------------------------------------------------------
    async def allocate(self, pod: Object) -> None:
        """Assign devices to every container of a pod that is being admitted; raises AllocationError."""
        wanted = [
            (one, dict(self._wanted(one))) for one in (*pods.init_containers(pod), *pods.containers(pod))
        ]
        if not any(amounts for _, amounts in wanted):
            return
        uid = meta.uid(pod)
        async with self._lock:
            self._assigned.drop(lambda other: other != uid and not self._is_alive(other))
            reusable: dict[str, set[str]] = {}
            for container, amounts in wanted:
                passes_on = container in pods.init_containers(pod) and not pods.is_sidecar(container)
                for resource, needed in amounts.items():
                    spare = reusable.setdefault(resource, set())
                    chosen = await self._assign(uid, container["name"], resource, needed, spare)
                    if passes_on:
                        spare.update(chosen)
                    else:
                        spare.difference_update(chosen)
            self._save()

    def _wanted(self, container: Object) -> Iterable[tuple[str, int]]:
        for name, amount in pod_resources.container_limits(container).items():
            if amount and (name in self._plugins or name in self._lost or name in self._gone):
                yield name, int(amount)

    async def _assign(
        self, uid: str, container: str, resource: str, needed: int, spare: set[str]
    ) -> tuple[str, ...]:
        if (known := self._assigned.find(uid, container, resource)) is not None:
            return known.ids
        plugin = self._plugins.get(resource)
        if plugin is None or not plugin.healthy:
            raise AllocationError(f"no healthy devices present; cannot allocate unhealthy devices {resource}")
        free = plugin.healthy - self._assigned.used(resource)
        if len(free) + len(spare) < needed:
            why = f"requested number of devices unavailable for {resource}. Requested: {needed}, Available: {len(free)}"
            raise AllocationError(why)
        try:
            preferred: list[str] = []
            if plugin.prefers and len(free) + len(spare) > needed > len(spare):
                preferred = await plugin.preferred(free | spare, spare, needed)
            ids = tuple(choose(needed, free, spare, preferred))
            access = await plugin.allocate(ids)
        except RpcError as error:
            raise AllocationError(str(error)) from error
        self._assigned.put(Assignment(uid, container, resource, ids, access))
        return ids

    async def access(self, uid: str, container: str) -> Access:
        """Called before each start of the container; raises AllocationError when a plugin cannot make its devices ready."""
        whole = Access()
        for one in self._assigned.of(uid, container):
            plugin = self._plugins.get(one.resource)
            if plugin is not None and plugin.prepares:
                try:
                    await plugin.prepare(one.ids)
                except RpcError as error:
                    why = f"device plugin PreStartContainer rpc failed with err: {error}"
                    raise AllocationError(why) from error
            whole = whole.plus(one.access)
        return whole

    def held(self, uid: str, container: str) -> list[Assignment]:
        return self._assigned.of(uid, container)

    def usable(self) -> list[tuple[str, list[str]]]:
        """The healthy devices of each resource."""
        return [(name, sorted(one.healthy)) for name, one in sorted(self._plugins.items())]

    def health(self, uid: str) -> dict[str, list[Object]]:
        """`allocatedResourcesStatus` by container."""
        found: dict[str, list[Object]] = {}
        for one in self._assigned:
            if one.uid == uid:
                resources = [
                    {"resourceID": name, "health": self._health(one.resource, name)} for name in one.ids
                ]
                found.setdefault(one.container, []).append({"name": one.resource, "resources": resources})
        return found

    def _health(self, resource: str, device: str) -> str:
        plugin = self._plugins.get(resource)
        if plugin is None or not plugin.is_connected or device not in plugin.devices:
            return "Unknown"
        return "Healthy" if plugin.devices[device] == HEALTHY else "Unhealthy"

    def _save(self) -> None:
        devices = {**self._lost, **{name: sorted(one.devices) for name, one in self._plugins.items()}}
        try:
            self._assigned.save(devices)
        except OSError as error:
            log.warning("the assignment of devices is not kept: %s", error)


def refusal(version: str, resource: str) -> str:
    """Why a plugin may not register, in upstream's words; "" when it may."""
    if version != VERSION:
        return (
            f'requested API version "{version}" is not supported by kubelet. Supported version is "{VERSION}"'
        )
    domain, separator, _ = resource.partition("/")
    if not separator or names.qualified_name(resource) or domain.endswith("kubernetes.io"):
        return f'the ResourceName "{resource}" is invalid'
    return ""
