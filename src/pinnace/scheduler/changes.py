"""What the watches say, told to those whom it concerns: the cache of nodes and pods, the queue, the nominations."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import meta
from pinnace.client.interface import Object
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.device_binder import DeviceBinder
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.plugins.dynamic_resources import waits_for_claims
from pinnace.scheduler.pod_info import DEFAULT_SCHEDULER, PodInfo
from pinnace.scheduler.pod_parsing import is_finished, parse_pod
from pinnace.scheduler.queue import SchedulingQueue
from pinnace.scheduler.runners import Runner
from pinnace.scheduler.volume_binder import VolumeBinder


class Changes:
    def __init__(
        self, *, cache: SchedulerCache, queue: SchedulingQueue, nominator: Nominator, volumes: VolumeBinder,
        devices: DeviceBinder, runners: Mapping[str, Runner],
    ) -> None:  # fmt: skip
        self._cache, self._queue, self._nominator = cache, queue, nominator
        self._volumes, self._devices, self._runners = volumes, devices, runners

    def happened(self, *kinds: str, node: str, **more: Any) -> None:
        self._queue.happened(Happening(kinds, self._cache.nodes, self._nominator, node, **more))

    def on_node(self, old: Object | None, new: Object | None) -> None:
        before = meta.labels(old) if old is not None else {}
        if new is None:
            assert old is not None
            self._cache.remove_node(meta.name(old))
            self.happened("Node/Delete", node=meta.name(old), labels_before=before)
            for pod in self._nominator.on(meta.name(old)):
                self._queue.wake(pod.uid, "NodeDelete")
        elif kinds := self._cache.set_node(new):
            self.happened(*kinds, node=meta.name(new), labels_before=before)

    def on_namespace(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self._cache.set_namespace(meta.name(old), None)
        else:
            self._cache.set_namespace(meta.name(new), meta.labels(new))
            self._queue.happened(("Namespace/Update",))

    def on_pod(self, old: Object | None, new: Object | None) -> None:
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
            self.happened("Pod/Delete", node=node, pod=gone)

    def _pod_on_node(self, old: Object | None, new: Object) -> None:
        known = self._cache.get(meta.uid(new))
        pod = parse_pod(new, known)
        if old is None or not old["spec"].get("nodeName"):
            self._queue.remove(pod.uid)
            self.withdraw(pod, unless=pod.node_name)
            self._cache.place(pod, pod.node_name)
            self.happened("Pod/Add", node=pod.node_name, pod=pod)
            return
        self._cache.place(pod, pod.node_name)
        before = known or parse_pod(old)
        if before.labels != pod.labels or before.is_terminating != pod.is_terminating:
            self.happened("Pod/UpdateLabel", node=pod.node_name, pod=pod, old=before)
        if before.demand is not pod.demand:
            self.happened("Pod/ScaleDown", node=pod.node_name, pod=pod, old=before)

    def withdraw(self, pod: PodInfo, unless: str = "") -> None:
        """The pod is no longer nominated: what it held is free for pods of its priority, unless it goes there."""
        node = self._nominator.remove(pod.uid)
        if node and node != unless:
            self.happened("Pod/Delete", node=node, pod=pod)

    def _pod_to_schedule(self, old: Object | None, new: Object) -> None:
        pod = parse_pod(new)
        if self._cache.is_assumed(pod.uid):
            self._queue.refresh(pod)  # should binding fail, the pod is tried as it is then
            return
        if pod.is_terminating:
            self._queue.remove(pod.uid)
            self.withdraw(pod)
            return
        runner = self._runners[pod.scheduler_name]
        if not runner.admits(pod) or (runner.binds_devices(pod) and waits_for_claims(new)):
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
            self.happened("Pod/Delete", node=left, pod=pod)


def nominated_node(pod: Object) -> str:
    return (pod.get("status") or {}).get("nominatedNodeName") or ""


def _same_wish(old: Object, new: Object) -> bool:
    return old["spec"] == new["spec"] and meta.labels(old) == meta.labels(new)
