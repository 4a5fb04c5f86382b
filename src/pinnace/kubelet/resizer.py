"""Resizes pods in place: grants what fits, keeps what must wait in upstream's order, and brings it to the control groups.

What a pod asks for is in `record.desired`; `record.pod` has what was granted, and everything else works with that.
"""

import logging
from collections.abc import Callable

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.times import format_time
from pinnace.client.events import EventRecorder
from pinnace.component.clock import Clock
from pinnace.kubelet import allocation as allocations
from pinnace.kubelet import resize_decisions as decisions
from pinnace.kubelet.allocation import Allocation, resources_of
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.counts import Counts
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pod_record import PodPaths, PodRecord
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.resize_decisions import Change
from pinnace.kubelet.resources import container_resources

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
SETTINGS = {"memory": ("memory_limit",), "cpu": ("cpu_quota", "cpu_shares")}


class ResizeError(Exception):
    """A resize that was granted cannot be carried out now; the text is the condition's message."""


class Resizer:
    """`others(uid)` are the pods that take room beside one, as granted; `wake(uid)` has a pod synced."""

    def __init__(
        self,
        *,
        clock: Clock,
        runtime: ContainerRuntime,
        cgroups: PodCgroups,
        facts: NodeFacts,
        paths: PodPaths,
        recorder: EventRecorder,
        others: Callable[[str], list[Object]],
        wake: Callable[[str], None],
        counts: Counts,
    ) -> None:
        self._clock, self._runtime, self._cgroups = clock, runtime, cgroups
        self._facts, self._paths, self._recorder = facts, paths, recorder
        self._others, self._wake, self._counts = others, wake, counts
        self._waiting: dict[str, PodRecord] = {}

    # -- what is granted -----------------------------------------------------------------------------------------
    def recall(self, record: PodRecord) -> None:
        """What an earlier kubelet granted counts, before anything is decided about the pod."""
        if record.allocation is None and (found := allocations.load(self._paths.pod(record.uid))):
            record.allocation = found
            record.take(record.desired)

    def admitted(self, record: PodRecord) -> None:
        """The node runs the pod: what it asks for is granted the first time, later changes when there is room."""
        if record.allocation is None:
            record.allocation = Allocation()
            record.allocation.grant(record.desired)
        if record.allocation.covers(record.desired):
            if record.uid in self._waiting:
                self._count_request(record)
                self._waiting.pop(record.uid, None)
            record.allocation.pending = None
            return
        self._count_request(record)
        self._waiting[record.uid] = record
        self._retry(record, "pod_updated")

    def _count_request(self, record: PodRecord) -> None:
        """What the pod asks for now, beside what it asked for before."""
        before = record.requested or _allocation(record).applied_to(record.desired)
        if before is not record.desired:
            self._counts.requested_resizes.update(decisions.operations(before, record.desired))
            record.requested = record.desired

    def room_appeared(self, trigger: str = "pods_removed") -> None:
        """A pod has gone, or needs less."""
        if self._waiting:
            self._retry(None, trigger)

    def _retry(self, current: PodRecord | None, trigger: str) -> None:
        for record in sorted(self._waiting.values(), key=_order):
            if record.wants_end():
                del self._waiting[record.uid]
                continue
            before = _allocation(record).pending
            is_granted = self._decide(record)
            if is_granted and (before or {}).get("reason") == decisions.DEFERRED:
                self._counts.late_resizes[trigger] += 1
            if record is not current and (is_granted or _allocation(record).pending != before):
                self._wake(record.uid)

    def _decide(self, record: PodRecord) -> bool:
        allocation, pod = _allocation(record), record.desired
        generation = pod["metadata"].get("generation", 0)
        refused = decisions.swap_refusal(pod, allocation, self._cgroups.rules)
        refused = refused or decisions.refusal(pod, self._others(record.uid), self._facts.allocatable)
        if refused is None:
            allocation.grant(pod)
            record.take(pod)
            self._waiting.pop(record.uid, None)
            allocation.pending = None
            allocation.progress = decisions.condition(decisions.IN_PROGRESS, generation)
            self._save(record)
            self._recorder.event(
                pod, "Normal", "ResizeStarted", decisions.message("started", pod, generation)
            )
            return True
        pending = decisions.condition(decisions.PENDING, generation, *refused)
        if pending != _without_time(allocation.pending):
            since = (allocation.pending or {}).get("lastTransitionTime") or format_time(self._clock.now())
            allocation.pending = {**pending, "lastTransitionTime": since}
            reason, why = refused
            if reason == decisions.INFEASIBLE:
                self._counts.infeasible_resizes[decisions.detail(why)] += 1
            text = decisions.message(reason, pod, generation, why)
            self._recorder.event(pod, "Warning", f"Resize{reason}", text)
            self._save(record)
        return False

    # -- what is in force ----------------------------------------------------------------------------------------
    def started(self, record: PodRecord, container: Object) -> None:
        """A container was created with these resources."""
        if record.allocation is not None:
            record.allocation.in_force[container["name"]] = resources_of(container)
            self._save(record)

    def prepare_group(self, record: PodRecord) -> None:
        """The pod's control group is there; its limits follow in due order while a resize goes on."""
        allocation = _allocation(record)
        wanted = self._cgroups.settings(record.pod)
        if allocation.progress is not None and allocation.pod_settings:
            self._cgroups.create(record.pod, allocation.pod_settings)
            return
        self._cgroups.create(record.pod, wanted)
        if wanted != allocation.pod_settings:
            allocation.pod_settings, allocation.pod_in_force = wanted, allocation.pod
            self._save(record)

    def to_restart(self, record: PodRecord, runtime: PodRuntime) -> frozenset[str]:
        """Names of running containers that only a restart can resize."""
        if record.allocation is None or record.allocation.progress is None:
            return frozenset()
        return frozenset(one.container["name"] for one in self._changes(record, runtime) if one.needs_restart)

    async def carry_out(self, record: PodRecord, runtime: PodRuntime) -> float | None:
        """Bring running containers to what was granted. Returns when to come back, if it could not be done."""
        allocation = _allocation(record)
        if allocation.progress is None:
            return None
        changes = self._changes(record, runtime)
        to_restart = any(one.needs_restart for one in changes)
        generation = allocation.progress["observedGeneration"]
        begun, done = self._clock.monotonic(), False
        try:
            await self._apply(record, runtime, [one for one in changes if not one.needs_restart], to_restart)
            done = True
        except (ResizeError, CriError, OSError) as error:
            text = str(error)
            failed = decisions.condition(decisions.IN_PROGRESS, generation, "Error", text)
            if failed != allocation.progress:
                allocation.progress = failed
                shown = decisions.message("error", record.pod, generation, text)
                self._recorder.event(record.pod, "Warning", "ResizeError", shown)
            return RETRY_SECONDS
        finally:
            self._save(record)
            self._counts.resized(1000 * (self._clock.monotonic() - begun), success=done)
        if not to_restart:
            allocation.progress, allocation.pod_in_force = None, allocation.pod
            self._save(record)
            shown = decisions.message("completed", record.pod, generation)
            self._recorder.event(record.pod, "Normal", "ResizeCompleted", shown)
            self.room_appeared("pod_resized")
        return None

    def _changes(self, record: PodRecord, runtime: PodRuntime) -> list[Change]:
        names = {one.name for one in runtime.running}
        return decisions.changes(record.pod, _allocation(record), names)

    async def _apply(
        self, record: PodRecord, runtime: PodRuntime, changes: list[Change], to_restart: bool
    ) -> None:
        """Memory, then cpu. Of each: the pod's limits up, the containers (those that give first), the pod's limits down."""
        wanted = self._cgroups.settings(record.pod)
        self._check_memory(record, runtime, changes, wanted, to_restart)
        allocation = _allocation(record)
        for name in ("memory", "cpu"):
            self._set_group(record, wanted, name, up=True)
            for change in sorted((one for one in changes if one.step(name)), key=lambda one: one.step(name)):
                await self._update(record, runtime, change, name)
            if not to_restart:
                self._set_group(record, wanted, name, up=False)
        for change in changes:
            allocation.in_force[change.container["name"]] = change.after

    def _check_memory(
        self,
        record: PodRecord,
        runtime: PodRuntime,
        changes: list[Change],
        wanted: dict[str, int],
        to_restart: bool,
    ) -> None:
        found = []
        path, before = self._cgroups.path(record.pod), _allocation(record).pod_settings
        limit = wanted.get("memory_limit")
        if limit and not to_restart and limit < before.get("memory_limit", limit + 1):
            found.append(("pod", limit, self._cgroups.memory_usage(path)))
        for change in changes:
            name, status = change.container["name"], runtime.newest(change.container["name"])
            if change.step("memory") < 0 and status is not None:
                one = replace_resources(change)
                limit = container_resources(
                    record.pod, one, self._facts.memory_bytes, self._cgroups.rules
                ).get("memory_limit_in_bytes", 0)
                found.append(
                    (f'container "{name}"', limit, self._cgroups.memory_usage(f"{path}/{status.id}"))
                )
        if text := decisions.below_usage(found):
            raise ResizeError(text)

    def _set_group(self, record: PodRecord, wanted: dict[str, int], name: str, *, up: bool) -> None:
        settings = _allocation(record).pod_settings
        fresh = {
            key: wanted[key]
            for key in SETTINGS[name]
            if key in wanted
            and wanted[key] != settings.get(key)
            and (wanted[key] > settings.get(key, wanted[key])) == up
        }
        if fresh:
            self._cgroups.update(record.pod, fresh)
            settings.update(fresh)

    async def _update(self, record: PodRecord, runtime: PodRuntime, change: Change, name: str) -> None:
        container, status = change.container["name"], runtime.newest(change.container["name"])
        assert status is not None
        in_force = _allocation(record).in_force
        mixed = change.with_only(name, in_force[container])
        linux = container_resources(record.pod, mixed, self._facts.memory_bytes, self._cgroups.rules)
        await self._runtime.update_container_resources(status.id, linux)
        in_force[container] = resources_of(mixed)

    def _save(self, record: PodRecord) -> None:
        try:
            allocations.save(self._paths.pod(record.uid), _allocation(record))
        except OSError as error:
            log.warning("what pod %s was granted is not kept: %s", meta.key_text(record.pod), error)


def replace_resources(change: Change) -> Object:
    return {**change.container, "resources": change.after}


def _allocation(record: PodRecord) -> Allocation:
    assert record.allocation is not None
    return record.allocation


def _order(record: PodRecord) -> tuple[bool, int, bool, str]:
    return decisions.order(record.desired, _allocation(record))


def _without_time(condition: Object | None) -> Object | None:
    if condition is None:
        return None
    return {key: value for key, value in condition.items() if key != "lastTransitionTime"}
