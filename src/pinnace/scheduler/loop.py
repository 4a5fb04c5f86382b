"""The scheduler: watches pods without a node and nodes, decides one pod after the other, and binds in the background.

Everything it knows comes from its informers, so a scheduler that starts again continues where the last one stopped.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import NAMESPACES, NODES, POD_DISRUPTION_BUDGETS, PODS
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Informers
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.scheduler.binding import Binder
from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.decisions import Decision, DecisionRing, Record
from pinnace.scheduler.device_binder import ClaimsNotBound, DeviceBinder
from pinnace.scheduler.devices import Devices
from pinnace.scheduler.eviction import Evictor
from pinnace.scheduler.extenders import Extenders
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.hints import hints_of
from pinnace.scheduler.metrics import SchedulerMetrics
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.plugins.dynamic_resources import DynamicResources, waits_for_claims
from pinnace.scheduler.pod_info import DEFAULT_SCHEDULER, PodInfo
from pinnace.scheduler.pod_parsing import is_finished, parse_pod
from pinnace.scheduler.preemption import rejected_everywhere
from pinnace.scheduler.profiles import Parts
from pinnace.scheduler.queue import Backoff, QueuedPod, SchedulingQueue
from pinnace.scheduler.reporting import SCHEDULER_ERROR, UNSCHEDULABLE
from pinnace.scheduler.runners import Shared, build_runner
from pinnace.scheduler.settings import DEFAULT_SETTINGS, SchedulerSettings
from pinnace.scheduler.storage import Storage
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
            elsewhere=self._bound_elsewhere if self._extenders is not None else None,
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
        self._informers.of(NODES).add_handler(self._on_node)
        self._informers.of(NAMESPACES).add_handler(self._on_namespace)
        self._informers.of(PODS).add_handler(self._on_pod)
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

    # --- what the watches say

    def _happened(self, *kinds: str, node: str, **more: Any) -> None:
        self._queue.happened(Happening(kinds, self._cache.nodes, self._nominator, node, **more))

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        before = meta.labels(old) if old is not None else {}
        if new is None:
            assert old is not None
            self._cache.remove_node(meta.name(old))
            self._happened("Node/Delete", node=meta.name(old), labels_before=before)
            for pod in self._nominator.on(meta.name(old)):
                self._queue.wake(pod.uid, "NodeDelete")
        elif kinds := self._cache.set_node(new):
            self._happened(*kinds, node=meta.name(new), labels_before=before)

    def _on_namespace(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self._cache.set_namespace(meta.name(old), None)
        else:
            self._cache.set_namespace(meta.name(new), meta.labels(new))
            self._queue.happened(("Namespace/Update",))

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if new is None or is_finished(new):
            gone = new or old
            assert gone is not None
            self._pod_left(gone)
            return
        if old is not None and meta.uid(old) != meta.uid(new):
            self._pod_left(old)
            old = None
        if new["spec"].get("nodeName"):
            self._pod_on_node(old, new)
        elif (new["spec"].get("schedulerName") or DEFAULT_SCHEDULER) in self._runners:
            self._pod_to_schedule(old, new)

    def _pod_left(self, pod: Object) -> None:
        gone = parse_pod(pod)
        self._queue.remove(gone.uid)
        if self._volumes.forget(gone.uid):
            self._devices.give_back(gone)
        nominated = self._nominator.remove(gone.uid)
        if node := self._cache.remove(gone.uid) or nominated:
            self._happened("Pod/Delete", node=node, pod=gone)

    def _pod_on_node(self, old: Object | None, new: Object) -> None:
        known = self._cache.get(meta.uid(new))
        pod = parse_pod(new, known)
        if old is None or not old["spec"].get("nodeName"):
            self._queue.remove(pod.uid)
            self._withdraw(pod, unless=pod.node_name)
            self._cache.place(pod, pod.node_name)
            self._happened("Pod/Add", node=pod.node_name, pod=pod)
            return
        self._cache.place(pod, pod.node_name)
        before = known or parse_pod(old)
        if before.labels != pod.labels or before.is_terminating != pod.is_terminating:
            self._happened("Pod/UpdateLabel", node=pod.node_name, pod=pod, old=before)
        if before.demand is not pod.demand:
            self._happened("Pod/ScaleDown", node=pod.node_name, pod=pod, old=before)

    def _withdraw(self, pod: PodInfo, unless: str = "") -> None:
        """The pod is no longer nominated: what it held is free for pods of its priority, unless it goes there."""
        node = self._nominator.remove(pod.uid)
        if node and node != unless:
            self._happened("Pod/Delete", node=node, pod=pod)

    def _pod_to_schedule(self, old: Object | None, new: Object) -> None:
        pod = parse_pod(new)
        if self._cache.is_assumed(pod.uid):
            self._queue.refresh(pod)  # should binding fail, the pod is tried as it is then
            return
        if pod.is_terminating:
            self._queue.remove(pod.uid)
            self._withdraw(pod)
            return
        gates = self._runners[pod.scheduler_name].profile.gates
        is_gated = gates is not None and not gates.admits(pod)
        if is_gated or (self._asks_for_devices(pod) and waits_for_claims(new)):
            self._queue.gate(pod)
            return
        self._heed_nomination(pod, nominated_node(old) if old is not None else "")
        known = old is not None and self._queue.knows(pod.uid)
        if known and old is not None and _same_wish(old, new):
            self._queue.refresh(pod)
        else:
            self._queue.add(pod)

    def _heed_nomination(self, pod: PodInfo, before: str) -> None:
        left = self._nominator.heed(pod, before, nominated_node(pod.object))
        if left:
            self._happened("Pod/Delete", node=left, pod=pod)

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
        self.decisions.add(
            Record(decision, entry.pod.scheduler_name, begun + self._since, took, entry.attempts)
        )
        if not decision.node:
            self._unfit(entry, decision)
            return
        self._cache.assume(entry.pod, decision.node)
        self._queue.assumed(entry)
        if self._nominator:
            self._withdraw(entry.pod, unless=decision.node)
        if (report := self._reports.get(entry.pod.uid)) is not None:
            await asyncio.wait((report,))  # it must not be the last word
        asks_for_devices = self._asks_for_devices(entry.pod)
        if asks_for_devices:
            self._devices.reserve(entry.pod, decision.node, self._labels(decision.node))
        if (
            entry.pod.volumes
            and self._binds_volumes(entry.pod)
            and self._volumes.reserve(entry, decision.node, self._labels(decision.node))
        ):
            return  # the pod is bound when its volumes are
        await (self._devices if asks_for_devices else self._binder).start(entry, decision.node)

    async def _decide(self, pod: PodInfo) -> Decision:
        nodes, profile = self._cache.nodes, self._runners[pod.scheduler_name].profile
        if pod.volumes:
            await self._volumes.follow(self._informers)
            if len(nodes) and self._binds_volumes(pod) and (why := self._volumes.rejects(pod)):
                return rejected_everywhere(pod, "VolumeBinding", why, len(nodes), profile)
        if self._asks_for_devices(pod):
            await self._devices.follow(self._informers)
            if len(nodes) and (why := self._devices.rejects(pod)):
                return rejected_everywhere(pod, DynamicResources.name, why, len(nodes), profile)
        cycle = self._runners[pod.scheduler_name].cycle
        if self._extenders is None or not self._extenders.has_say(pod):
            return cycle.decide(pod, nodes)
        return cycle.decide(pod, nodes, await self._extenders.ask(pod, cycle.fitting(pod, nodes)))

    def _bound_elsewhere(self, pod: PodInfo, node: str) -> Awaitable[None] | None:
        binder = self._extenders.binder(pod) if self._extenders is not None else None
        return binder.bind(pod, node) if binder is not None else None

    def _binds_volumes(self, pod: PodInfo) -> bool:
        """False where the pod's profile has the plugin turned off."""
        return self._runners[pod.scheduler_name].profile.runs("VolumeBinding")

    def _asks_for_devices(self, pod: PodInfo) -> bool:
        return pod.has_claims and self._runners[pod.scheduler_name].profile.runs(DynamicResources.name)

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
            self._withdraw(pod)
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
        self._happened("Pod/Delete", node=node, pod=entry.pod)  # the room that was assumed is free again
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


def nominated_node(pod: Object) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or ""


def _same_wish(old: Object, new: Object) -> bool:
    return old["spec"] == new["spec"] and meta.labels(old) == meta.labels(new)
