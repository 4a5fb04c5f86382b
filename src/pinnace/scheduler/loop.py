"""The scheduler: watches pods without a node and nodes, decides one pod after the other, and binds in the background.

Everything it knows comes from its informers, so a scheduler that starts again continues where the last one stopped.
"""

import asyncio
import logging
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pinnace.api.resources import NAMESPACES, NODES, POD_DISRUPTION_BUDGETS, PODS
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.scheduler.binding import Binder
from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.changes import Changes
from pinnace.scheduler.decisions import Decision, DecisionRing, Record
from pinnace.scheduler.device_binder import ClaimsNotBound, DeviceBinder
from pinnace.scheduler.devices import Devices
from pinnace.scheduler.eviction import Evictor
from pinnace.scheduler.extenders import Extenders
from pinnace.scheduler.hints import hints_of
from pinnace.scheduler.metrics import SchedulerMetrics
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.plugins.dynamic_resources import DynamicResources
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.preemption import rejected_everywhere
from pinnace.scheduler.profiles import Parts
from pinnace.scheduler.queue import Backoff, SchedulingQueue
from pinnace.scheduler.queued_pod import QueuedPod
from pinnace.scheduler.reporting import SCHEDULER_ERROR, UNSCHEDULABLE
from pinnace.scheduler.runners import Shared, build_runner
from pinnace.scheduler.settings import DEFAULT_SETTINGS, SchedulerSettings
from pinnace.scheduler.storage import Storage
from pinnace.scheduler.tracing import AttemptSpan
from pinnace.scheduler.volume_binder import VolumeBinder, VolumesNotBound
from pinnace.scheduler.workloads import WorkloadSelectors

log = logging.getLogger(__name__)

_BEFORE_BINDING = ((VolumesNotBound, "VolumeBinding"), (ClaimsNotBound, DynamicResources.name))
MANY_IN_FLIGHT = 4
DECISIONS_AT_A_TIME = 8  # then the event loop serves everybody else


@dataclass(frozen=True)
class SchedulerConfig:
    """`seed` makes the choice among equal nodes repeatable; `settings` holds the profiles, by the names that pods use."""

    settings: SchedulerSettings = DEFAULT_SETTINGS
    seed: int | None = None
    remembered_decisions: int = 4096
    tracer: Tracer | None = field(default=None, compare=False)  # None: attempts are not recorded
    informers: Informers | None = field(
        default=None, compare=False
    )  # shared ones; whoever shares them runs them


class Scheduler:
    def __init__(self, client: Client, clock: Clock, config: SchedulerConfig = SchedulerConfig()) -> None:
        self._client, self._clock, self._config = client, clock, config
        self._owns_informers = config.informers is None
        self._informers = config.informers or Informers(client, clock)
        storage, devices = Storage(), Devices()
        self._cache = SchedulerCache()
        self._budgets, self._nominator = Budgets(), Nominator(self._cache.nodes)
        self._pods = self._informers.of(PODS).lister
        settings = config.settings
        shared = Shared(
            client, clock, random.Random(config.seed), Parts(WorkloadSelectors(self._informers).of, storage, devices),
            self._nominator, self._budgets, self._started, self._is_busy,
        )  # fmt: skip
        self._runners = {one.name: build_runner(one, shared) for one in settings.profiles}
        hints = {name: hints_of(runner.profile) for name, runner in self._runners.items()}
        sort = next(iter(self._runners.values())).profile.sort.key  # upstream: the same in all profiles
        backoff = Backoff(settings.first_backoff, settings.longest_backoff)
        self._queue = SchedulingQueue(clock, sort, hints, backoff)
        recorders = {name: runner.recorder for name, runner in self._runners.items()}
        self._evictor = Evictor(
            client,
            clock,
            recorders,
            self._pods,
            self._nominator,
            finished=self._evicted,
            withdrawn=self._withdrawn,
        )
        self._extenders: Extenders | None = None
        if settings.extenders:
            self._extenders = Extenders(settings.extenders, clock, self._informers.of(NODES).lister.get)
        self._binder = Binder(
            client, clock, bound=self._bound, failed=self._binding_failed,
            elsewhere=self._extenders.bind if self._extenders is not None else None,
        )  # fmt: skip
        self._devices = DeviceBinder(
            client, clock, devices,
            happened=self._queue.happened, then=self._binder.start, failed=self._binding_failed,
        )  # fmt: skip
        self._volumes = VolumeBinder(
            client, clock, storage,
            happened=self._queue.happened, then=self._devices.start, failed=self._binding_failed,
            timeouts={one.name: float(one.args.volume_bind_timeout_seconds) for one in settings.profiles},
        )  # fmt: skip
        self._changes = Changes(
            cache=self._cache, queue=self._queue, nominator=self._nominator, volumes=self._volumes,
            devices=self._devices, runners=self._runners,
        )  # fmt: skip
        self._reports: dict[str, asyncio.Task[None]] = {}  # by uid of the pod
        self.metrics = SchedulerMetrics(
            self._queue, self._cache.sizes, [one.recorder for one in self._runners.values()]
        )
        self.decisions = DecisionRing(config.remembered_decisions)
        self._since = clock.now().timestamp() - clock.monotonic()

    def _is_busy(self) -> bool:
        """Binding comes before telling."""
        return self._queue.in_flight > MANY_IN_FLIGHT

    def explain(self, namespace: str, name: str) -> Decision | None:
        """The latest decision about a pod: who refused which number of nodes, and the scores of the best nodes."""
        record = self.decisions.get(namespace, name)
        return record.decision if record is not None else None

    def debug(self, path: Sequence[str], query: Mapping[str, str]) -> Any:
        """What `/debug/scheduler` shows; None where there is nothing."""
        from pinnace.scheduler.debugging import show

        return show(self.decisions, self._queue, path, query)

    async def run(self) -> None:
        """Schedule until cancelled."""
        self._informers.of(NODES).add_handler(self._changes.on_node)
        self._informers.of(NAMESPACES).add_handler(self._changes.on_namespace)
        self._informers.of(PODS).add_handler(self._changes.on_pod)
        self._informers.of(POD_DISRUPTION_BUDGETS).add_handler(self._budgets.on_change)
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._owns_informers:
                    tasks.create_task(self._informers.run(), name="scheduler informers")
                for name, runner in self._runners.items():
                    tasks.create_task(runner.recorder.run(), name=f"events of {name}")
                tasks.create_task(self._queue.run(), name="scheduler queue")
                tasks.create_task(self._schedule(), name="scheduler cycle")
        finally:
            await self._volumes.close()
            await self._devices.close()
            await self._binder.close()
            await self._evictor.close()
            if self._extenders is not None:
                await self._extenders.close()

    # --- one pod after the other

    async def _schedule(self) -> None:
        await self._informers.wait_synced()
        while True:
            await self._schedule_one(await self._queue.pop())
            for _ in range(DECISIONS_AT_A_TIME - 1):
                entry = self._queue.pop_nowait()
                if entry is None:
                    break
                await self._schedule_one(entry)
            await self._clock.sleep(0)

    async def _schedule_one(self, entry: QueuedPod) -> None:
        begun = self._clock.monotonic()
        try:
            decision = await self._decide(entry.pod)
        except Exception as error:  # a pod that a plugin chokes on must not stop the others
            log.exception("scheduling %s/%s failed", *entry.pod.key)
            self._count("error", entry)
            self._queue.failed(entry)
            self._report(entry.pod, SCHEDULER_ERROR, str(error))
            return
        took = self._clock.monotonic() - begun
        self.metrics.algorithm.observe(took)
        record = Record(decision, entry.pod.scheduler_name, begun + self._since, took, entry.attempts)
        record = self.decisions.add(record)
        if self._config.tracer is not None:
            entry.span = AttemptSpan.of(self._config.tracer, record, entry, begun)
        if not decision.node:
            self._unfit(entry, decision)
            return
        self._cache.assume(entry.pod, decision.node)
        self._queue.assumed(entry)
        if self._nominator:
            self._changes.withdraw(entry.pod, unless=decision.node)
        if (report := self._reports.get(entry.pod.uid)) is not None:
            await asyncio.wait((report,))  # it must not be the last word
        runner = self._runners[entry.pod.scheduler_name]
        asks_for_devices = runner.binds_devices(entry.pod)
        if asks_for_devices:
            self._devices.reserve(entry.pod, decision.node, self._labels(decision.node))
        if (
            entry.pod.volumes
            and runner.binds_volumes
            and self._volumes.reserve(entry, decision.node, self._labels(decision.node))
        ):
            return  # the pod is bound when its volumes are
        await (self._devices if asks_for_devices else self._binder).start(entry, decision.node)

    async def _decide(self, pod: PodInfo) -> Decision:
        nodes, runner = self._cache.nodes, self._runners[pod.scheduler_name]
        profile, cycle = runner.profile, runner.cycle
        if pod.volumes:
            await self._volumes.follow(self._informers)
            if len(nodes) and runner.binds_volumes and (why := self._volumes.rejects(pod)):
                return rejected_everywhere(pod, "VolumeBinding", why, len(nodes), profile)
        if runner.binds_devices(pod):
            await self._devices.follow(self._informers)
            if len(nodes) and (why := self._devices.rejects(pod)):
                return rejected_everywhere(pod, DynamicResources.name, why, len(nodes), profile)
        if self._extenders is None or not self._extenders.has_say(pod):
            return cycle.decide(pod, nodes)
        return cycle.decide(pod, nodes, await self._extenders.ask(pod, cycle.fitting(pod, nodes)))

    def _labels(self, node: str) -> Mapping[str, str]:
        nodes = self._cache.nodes
        return nodes.labels[nodes.row_of[node]]

    def _unfit(self, entry: QueuedPod, decision: Decision) -> None:
        pod, preemption = entry.pod, decision.preemption
        self._count("unschedulable", entry)
        self.metrics.preemptions += preemption is not None
        if DynamicResources.name in decision.plugins:
            self._devices.free_useless(pod)
        if preemption is None or preemption.keeps:
            self._queue.refused(entry, decision.plugins)
            self._report(pod, UNSCHEDULABLE, decision.message)
            return
        node = preemption.node
        self._queue.refused(entry, decision.plugins, hold=bool(node))
        if self._nominator.node_of(pod.uid) != node:
            self._changes.withdraw(pod)
            if node:
                self._nominator.decide(pod, node)
        if node:
            weaker = [other for other in self._nominator.on(node) if other.priority < pod.priority]
            for other in weaker:
                self._nominator.remove(other.uid)
            self._evictor.start(pod, node, preemption.victims, weaker)
            self.metrics.preempted(len(preemption.victims))
        self._report(pod, UNSCHEDULABLE, decision.message, node)

    def _withdrawn(self, pod: PodInfo) -> None:
        self._queue.wake(pod.uid, "NominationWithdrawn")

    def _evicted(self, pod: PodInfo, succeeded: bool) -> None:
        self._queue.release(pod.uid, retry=not succeeded)

    def _started(self, pod: PodInfo) -> float:
        current = self._pods.get(pod.name, pod.namespace) or pod.object
        begun = (current.get("status") or {}).get("startTime")
        return parse_time(begun).timestamp() if begun else math.inf

    def _count(self, result: str, entry: QueuedPod) -> None:
        seconds = self._clock.monotonic() - entry.tried_at
        self.metrics.attempted(entry.pod.scheduler_name, result, seconds)

    def _report(self, pod: PodInfo, reason: str, message: str, nomination: str | None = None) -> None:
        reporter = self._runners[pod.scheduler_name].reporter
        task = asyncio.create_task(reporter.failed(pod, reason, message, nomination))
        self._reports[pod.uid] = task
        task.add_done_callback(lambda done: self._told(pod.uid, done))

    def _told(self, uid: str, report: asyncio.Task[None]) -> None:
        if self._reports.get(uid) is report:
            del self._reports[uid]

    def _bound(self, entry: QueuedPod, node: str) -> None:
        self._count("scheduled", entry)
        self.metrics.bound(entry.attempts, self._clock.monotonic() - entry.queued_at)
        self._queue.done(entry)
        self._devices.done(entry.pod.uid)
        self._runners[entry.pod.scheduler_name].reporter.scheduled(entry.pod, node)

    def _binding_failed(self, entry: QueuedPod, node: str, error: Exception) -> None:
        known = self._cache.get(entry.pod.uid)
        if known is not None and known.node_name == node:  # only the answer got lost
            self._bound(entry, node)
            return
        self._cache.forget(entry.pod.uid)
        self._devices.give_back(entry.pod)
        # the room that was assumed is free again
        self._changes.happened("Pod/Delete", node=node, pod=entry.pod)
        is_gone = known is None or known.node_name or isinstance(error, NotFound)
        if is_gone or entry.pod.is_terminating:
            self._queue.remove(entry.pod.uid)
            return
        self._count("error", entry)
        self._queue.failed(entry)
        what = next(
            (f'PreBind plugin "{name}"' for kind, name in _BEFORE_BINDING if isinstance(error, kind)),
            'Bind plugin "DefaultBinder"',
        )
        self._report(entry.pod, SCHEDULER_ERROR, f"running {what}: {error}")
