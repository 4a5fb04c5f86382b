"""The part: the nodes of a fleet, and what becomes of the pods that are bound to them."""

import asyncio
import ipaddress
import itertools
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import NODES, PODS
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.client.informer import Informers, Key
from pinnace.client.interface import Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.component.tracing import About, Tracer, Within
from pinnace.kubelet.simulated import fast
from pinnace.kubelet.simulated.behaviour import RUNS_ON, Behaviour, Rule, of_jobs
from pinnace.kubelet.simulated.fleet import Fleet, asks_for_adoption
from pinnace.kubelet.simulated.node_objects import SimulatedNodesConfig
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
        rules: Iterable[Rule] = (of_jobs,), tracer: Tracer | None = None,
    ) -> None:  # fmt: skip
        self._tracer = tracer
        self._client, self._clock = client, clock
        self._config = config or SimulatedNodesConfig()
        self.fleet = Fleet(client, clock, self._config, count)
        self._addresses = itertools.cycle(ipaddress.ip_network(self._config.pod_network).hosts())
        self._used: set[str] = set()
        self.informers = Informers(client, clock)
        self._queue: WorkQueue[Key] = WorkQueue(clock)
        self._rules: list[Rule] = list(rules)
        self._stages: StagePlayer | None = None

    @property
    def names(self) -> list[str]:
        """The nodes that are there."""
        return self.fleet.names

    async def run(self) -> None:
        """Register the nodes and drive their pods until cancelled."""
        if self._config.is_kwok:
            await self._make_stages()
            self.informers.of(NODES).add_handler(self._node_changed)
        await self.fleet.register_all()
        self.informers.of(PODS).add_handler(self._pod_changed)
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._stages is not None:
                    self._stages.follow()
                    tasks.create_task(self._stages.run())
                tasks.create_task(self.informers.run())
                tasks.create_task(self.fleet.heartbeat())
                for _ in range(self._config.workers):
                    tasks.create_task(self._work())
        finally:
            self._queue.close()

    # --- stages

    async def _make_stages(self) -> None:
        from pinnace.kubelet.simulated.stage_player import Addresses, StagePlayer

        addresses = Addresses(self.fleet.ip_of, self._address_of)
        self._stages = StagePlayer(self._client, self._clock, self.informers, addresses, self._stages_changed)
        await self._stages.install()

    def _stages_changed(self) -> None:
        self.look_again()
        for node in self.informers.of(NODES).lister:
            self._node_changed(None, node)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self.fleet.drop(meta.name(old))
                self._forget_stages("Node", old)
        elif self.fleet.has(meta.name(new)):
            if self._stages is not None and self._stages.drives("Node"):
                self._queue.add(meta.key(new))
        elif asks_for_adoption(new):
            self._queue.add(meta.key(new))

    def _forget_stages(self, kind: str, obj: Object) -> None:
        if self._stages is not None:
            self._stages.forget(kind, meta.key(obj))

    async def _drive_node(self, node: Object) -> None:
        """Only queued when it is to be adopted, or when there are stages for nodes."""
        name = meta.name(node)
        if not self.fleet.has(name):
            if asks_for_adoption(node):
                await self.fleet.adopt(node)
                self.look_again()
        elif self.fleet.is_alive(name) and self._stages is not None and self._stages.drives("Node"):
            await self._play("Node", node)

    async def _play(self, kind: str, obj: Object) -> None:
        assert self._stages is not None
        await self._stages.play(kind, obj, lambda seconds: self._queue.add_after(meta.key(obj), seconds))

    # --- what tests do to nodes and pods

    def behave(self, rule: Rule) -> None:
        """From now on this rule is asked first; pods that run already follow it too."""
        self._rules.append(rule)
        self.look_again()

    def look_again(self) -> None:
        """Something that rules depend on has changed."""
        for pod in self.informers.of(PODS).lister:
            if self.fleet.has(pods.node_name(pod)):
                self._queue.add(meta.key(pod))

    async def add_node(self) -> str:
        """One more node; its name."""
        name = self.fleet.take_name()
        await self.fleet.register(name)
        return name

    def silence(self, name: str) -> None:
        """The node loses its power or its network: no heartbeats, and its pods stay as they are."""
        self.fleet.silence(name)

    async def revive(self, name: str) -> None:
        """The node is back, and says so."""
        await self.fleet.revive(name)
        self.look_again()

    # --- pods

    def behaviour_of(self, pod: Object) -> Behaviour:
        for rule in reversed(self._rules):
            told = rule(pod)
            if told is not None:
                return told
        return RUNS_ON

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._used.discard(pods.pod_ip(old))
                self._forget_stages("Pod", old)
            return
        if old is None and (address := pods.pod_ip(new)):
            self._used.add(address)
        if self._drives(new) and (
            fast.needs_work(new)
            or fast.has_history(new)
            or self.behaviour_of(new) is not RUNS_ON
            or (self._stages is not None and self._stages.drives("Pod"))
        ):
            self._queue.add(meta.key(new))

    def _drives(self, pod: Object) -> bool:
        return self.fleet.is_alive(pods.node_name(pod))

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
        if not namespace:
            node = self.informers.of(NODES).lister.get(name)
            if node is not None:
                await self._drive_node(node)
            return
        pod = self.informers.of(PODS).lister.get(name, namespace)
        if pod is None or not self._drives(pod):
            return
        if self._tracer is None:
            await self._drive_pod(pod)
            return
        cause = meta.resource_version(pod)
        span = self._tracer.begin("kubelet", "simulated", About(PODS.resource, namespace, name), cause=cause)
        span.uid = meta.uid(pod)
        with Within(span):
            await self._drive_pod(pod)
        if span.has_children:
            span.facts = {"node": pods.node_name(pod)}
            self._tracer.record(span)

    async def _drive_pod(self, pod: Object) -> None:
        key = meta.key(pod)
        if self._stages is not None and self._stages.drives("Pod"):
            await self._play("Pod", pod)
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
        return self.fleet.ip_of(pods.node_name(pod))

    def _address_of(self, pod: Object) -> str:
        return pods.pod_ip(pod) or self._new_address(pod)

    def _new_address(self, pod: Object) -> str:
        if pods.uses_host_network(pod):
            return self._host_ip_of(pod)
        for _ in range(len(self._used) + 1):
            address = str(next(self._addresses))
            if address not in self._used:
                break
        self._used.add(address)
        return address

    async def _write(self, pod: Object, status: Object) -> None:
        await self._client.patch(
            PODS, meta.name(pod), {"metadata": {"uid": meta.uid(pod)}, "status": status}, meta.namespace(pod),
            subresource="status",
        )  # fmt: skip

    async def _let_go(self, pod: Object) -> None:
        await self._client.delete(
            PODS, meta.name(pod), meta.namespace(pod), grace_period_seconds=0, uid=meta.uid(pod)
        )
