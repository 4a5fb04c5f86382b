"""The part: registers the nodes, keeps their leases fresh, and drives the pods that are bound to them."""

import asyncio
import ipaddress
import itertools
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import LEASES, NODES, PODS
from pinnace.apimachinery.errors import AlreadyExists, Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_micro_time, format_time
from pinnace.client.informer import Informers, Key
from pinnace.client.interface import Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.kubelet.simulated import fast
from pinnace.kubelet.simulated.behaviour import RUNS_ON, Behaviour, Rule, of_jobs
from pinnace.kubelet.simulated.node_objects import (
    LEASE_NAMESPACE,
    SimulatedNodesConfig,
    host_ip,
    lease_object,
    node_conditions,
    node_object,
)
from pinnace.kubelet.simulated.pod_life import next_step

if TYPE_CHECKING:  # loaded when stages are wanted
    from pinnace.kubelet.simulated.stage_player import StagePlayer

log = logging.getLogger(__name__)


class SimulatedNodes:
    """`count` nodes named prefix + number, in one part. A node whose object is deleted stays away.

    `rules` say what pods do; of several that speak about a pod, the last one added counts.
    """

    def __init__(
        self, client: Client, clock: Clock, count: int, config: SimulatedNodesConfig | None = None,
        rules: Iterable[Rule] = (of_jobs,),
    ) -> None:  # fmt: skip
        self._client, self._clock = client, clock
        self._config = config or SimulatedNodesConfig()
        self._number: dict[str, int] = {}
        self._silent: set[str] = set()
        self._addresses = itertools.cycle(ipaddress.ip_network(self._config.pod_network).hosts())
        self.informers = Informers(client, clock)
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._rules: list[Rule] = list(rules)
        self._stages: StagePlayer | None = None
        self._follows_nodes = False
        for _ in range(count):
            self._take_number()

    @property
    def names(self) -> list[str]:
        """The nodes that are there."""
        return list(self._number)

    def _take_number(self) -> str:
        number = max(self._number.values(), default=-1) + 1
        name = f"{self._config.prefix}{number}"
        self._number[name] = number
        return name

    async def run(self) -> None:
        """Register the nodes and drive their pods until cancelled."""
        if self._config.has_stages:
            await self._make_stages()
        await self._register_all()
        self.informers.of(PODS).add_handler(self._pod_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._stages is not None:
                    self._stages.follow()
                    tasks.create_task(self._stages.run())
                tasks.create_task(self.informers.run())
                tasks.create_task(self._heartbeat())
                for _ in range(self._config.workers):
                    tasks.create_task(self._work())
        finally:
            self._queue.close()

    # --- stages

    async def _make_stages(self) -> None:
        from pinnace.kubelet.simulated.stage_player import Addresses, StagePlayer

        addresses = Addresses(
            lambda name: host_ip(self._number[name]) if name in self._number else "", self._address_of
        )
        self._stages = StagePlayer(self._client, self._clock, self.informers, addresses, self._stages_changed)
        await self._stages.install()

    def _stages_changed(self) -> None:
        assert self._stages is not None
        self.look_again()
        if self._stages.drives("Node"):
            nodes = self.informers.of(NODES)
            if not self._follows_nodes:
                self._follows_nodes = True
                nodes.add_handler(self._node_changed)
            else:
                for node in nodes.lister:
                    self._node_changed(None, node)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            return
        if meta.name(new) in self._number and meta.name(new) not in self._silent:
            self._queue.add(meta.key(new))

    async def _play(self, kind: str, obj: Object | None, key: Key) -> None:
        assert self._stages is not None
        if obj is None:
            self._stages.forget(kind, key)
        else:
            await self._stages.play(kind, obj, lambda seconds: self._queue.add_after(key, seconds))

    # --- what tests do to nodes and pods

    def behave(self, rule: Rule) -> None:
        """From now on this rule is asked first; pods that run already follow it too."""
        self._rules.append(rule)
        self.look_again()

    def look_again(self) -> None:
        """Something that rules depend on has changed."""
        for pod in self.informers.of(PODS).lister:
            if pods.node_name(pod) in self._number:
                self._queue.add(meta.key(pod))

    async def add_node(self) -> str:
        """One more node; its name."""
        name = self._take_number()
        await self._register(name)
        return name

    def silence(self, name: str) -> None:
        """The node loses its power or its network: no heartbeats, and its pods stay as they are."""
        self._silent.add(name)

    async def revive(self, name: str) -> None:
        """The node is back, and says so."""
        self._silent.discard(name)
        await self._register(name)
        self.look_again()

    # --- nodes

    async def _register_all(self) -> None:
        limit = asyncio.Semaphore(self._config.workers)

        async def register(name: str) -> None:
            async with limit:
                await self._register(name)

        async with asyncio.TaskGroup() as tasks:
            for name in self.names:
                tasks.create_task(register(name))

    async def _register(self, name: str) -> None:
        now = format_time(self._clock.now())
        try:
            node = await self._client.create(NODES, node_object(self._number[name], self._config, now))
        except AlreadyExists:
            node = await self._client.patch(
                NODES, name, {"status": {"conditions": node_conditions(now)}}, subresource="status"
            )
        lease = lease_object(node, format_micro_time(self._clock.now()))
        try:
            await self._client.create(LEASES, lease, LEASE_NAMESPACE)
        except AlreadyExists:
            await self._renew(name)

    async def _heartbeat(self) -> None:
        """Renew all leases once per period, evenly spread over it."""
        while True:
            count = len(self._number)
            period = self._config.heartbeat_seconds or (10.0 if count <= 200 else 25.0)
            parts = max(1, min(count, int(period)))
            for part in range(parts):
                await self._clock.sleep(period / parts)
                for name in self.names[part::parts]:
                    if name not in self._silent:
                        await self._renew(name)

    async def _renew(self, name: str) -> None:
        body = {"spec": {"renewTime": format_micro_time(self._clock.now())}}
        try:
            await self._client.patch(LEASES, name, body, LEASE_NAMESPACE)
        except NotFound:
            self._number.pop(name, None)
        except (StatusError, OSError, TimeoutError) as error:
            log.warning("simulated node %s: lease not renewed: %s", name, error)

    # --- pods

    def behaviour_of(self, pod: Object) -> Behaviour:
        for rule in reversed(self._rules):
            told = rule(pod)
            if told is not None:
                return told
        return RUNS_ON

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if self._stages is not None and old is not None:
                self._stages.forget("Pod", meta.key(old))
        elif self._drives(new) and (
            fast.needs_work(new)
            or fast.has_history(new)
            or self.behaviour_of(new) is not RUNS_ON
            or (self._stages is not None and self._stages.drives("Pod"))
        ):
            self._queue.add(meta.key(new))

    def _drives(self, pod: Object) -> bool:
        node = pods.node_name(pod)
        return node in self._number and node not in self._silent

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._drive(key)
                self._queue.forget(key)
            except NotFound:
                self._queue.forget(key)
            except Conflict:
                self._queue.add_rate_limited(key)
            except (StatusError, OSError, TimeoutError) as error:
                log.warning("simulated pod %s/%s: %s", *key, error)
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def _drive(self, key: Key) -> None:
        namespace, name = key
        if not namespace:  # a node: only queued when there are stages for nodes
            node = self.informers.of(NODES).lister.get(name)
            await self._play("Node", node if name in self._number else None, key)
            return
        pod = self.informers.of(PODS).lister.get(name, namespace)
        if pod is None or not self._drives(pod):
            return
        if self._stages is not None and self._stages.drives("Pod"):
            await self._play("Pod", pod, key)
            return
        behaviour = self.behaviour_of(pod)
        if behaviour is RUNS_ON and await self._drive_fast(pod):
            return
        step = next_step(pod, behaviour, self._clock.now(), self._host_ip_of(pod), self._address_of(pod))
        if step.status is not None:
            await self._write(pod, step.status)
        if step.leaves:
            await self._let_go(pod)
        elif step.wait is not None:
            self._queue.add_after(key, step.wait)

    async def _drive_fast(self, pod: Object) -> bool:
        """Whether that was all: nothing is told about this pod, and it asks for nothing that takes thought."""
        if not fast.needs_work(pod):
            return not fast.has_history(pod)
        if meta.is_terminating(pod):
            if pod["metadata"].get("finalizers"):
                return False
            await self._let_go(pod)
            return True
        if fast.has_history(pod):
            return False
        if pods.phase(pod) == "Running":
            await self._write(pod, fast.updated_status(pod))
            return True
        now = format_time(self._clock.now())
        await self._write(pod, fast.running_status(pod, self._host_ip_of(pod), self._new_address(pod), now))
        return True

    def _host_ip_of(self, pod: Object) -> str:
        return host_ip(self._number[pods.node_name(pod)])

    def _address_of(self, pod: Object) -> str:
        return pods.pod_ip(pod) or self._new_address(pod)

    def _new_address(self, pod: Object) -> str:
        return self._host_ip_of(pod) if pods.uses_host_network(pod) else str(next(self._addresses))

    async def _write(self, pod: Object, status: Object) -> None:
        await self._client.patch(
            PODS, meta.name(pod), {"metadata": {"uid": meta.uid(pod)}, "status": status}, meta.namespace(pod),
            subresource="status",
        )  # fmt: skip

    async def _let_go(self, pod: Object) -> None:
        await self._client.delete(
            PODS, meta.name(pod), meta.namespace(pod), grace_period_seconds=0, uid=meta.uid(pod)
        )
