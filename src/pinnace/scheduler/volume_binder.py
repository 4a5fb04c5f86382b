"""Volumes of pods that have a node: reserve them, have them bound or made, and only then let the pod be bound.

What is watched for this is watched from the first pod with volumes on. A pod whose volumes cannot be had goes back to the queue.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.core import volume_binding as binding
from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.scheduler import storage as kinds
from pinnace.scheduler.following import Following
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.plugins.volume_binding import Plan, VolumeBinding
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.queued_pod import QueuedPod
from pinnace.scheduler.storage import Storage

log = logging.getLogger(__name__)

TIMEOUT = 600.0
NO_TIMEOUTS: Mapping[str, float] = {}
WATCHED: Mapping[str, GVR] = {
    kinds.CLAIM: r.PERSISTENT_VOLUME_CLAIMS,
    kinds.VOLUME: r.PERSISTENT_VOLUMES,
    kinds.CLASS: r.STORAGE_CLASSES,
    kinds.CSI_NODE: r.CSI_NODES,
    kinds.CSI_DRIVER: r.CSI_DRIVERS,
    kinds.CSI_CAPACITY: r.CSI_STORAGE_CAPACITIES,
    kinds.ATTACHMENT: r.VOLUME_ATTACHMENTS,
}
Continue = Callable[[QueuedPod, str], Awaitable[None]]


class VolumesNotBound(Exception):
    """Why the pod's volumes could not be had; the pod is to be scheduled again."""


class VolumeBinder:
    """`then` goes on with the pod when its volumes are bound; `failed` takes it back.

    `timeouts`: seconds to wait, by scheduler name, where it is not the default.
    """

    def __init__(
        self, client: Client, clock: Clock, storage: Storage, *, happened: Callable[[Happening], None],
        then: Continue, failed: Callable[[QueuedPod, str, Exception], None], timeouts: Mapping[str, float] = NO_TIMEOUTS,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._storage = client, clock, storage
        self._plugin = VolumeBinding(storage)
        self._happened, self._then, self._failed = happened, then, failed
        self._timeouts = timeouts
        self.follow = Following(WATCHED, self._changed).begin
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}  # claim -> who waits for it
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by uid of the pod

    def _changed(self, kind: str, old: Object | None, new: Object | None) -> None:
        events = self._storage.changed(kind, old, new)
        self._happened(Happening(events, about=new or old))
        if kind == kinds.CLAIM:
            for event in self._waiting.get(meta.key(new or old or {}), ()):
                event.set()

    def rejects(self, pod: PodInfo) -> str:
        """Why the pod cannot be scheduled anywhere now; "" when nodes are worth a look."""
        return self._plugin.rejects(pod)

    def reserve(self, entry: QueuedPod, node: str, labels: Mapping[str, str]) -> bool:
        """Begin to bind the pod's volumes on this node; False when there is nothing to bind."""
        plan = self._plugin.plan(entry.pod, node, labels)
        if not plan.bindings and not plan.provisions:
            return False
        for volume, claim in plan.bindings:
            self._storage.assume(kinds.VOLUME, _merged(volume, _volume_change(volume, claim)))
        for claim in plan.provisions:
            self._storage.assume(kinds.CLAIM, _merged(claim, _claim_change(node)))
        task = asyncio.create_task(self._run(entry, node, labels, plan), name=f"volumes of {entry.pod.name}")
        self._tasks[entry.pod.uid] = task
        return True

    def forget(self, uid: str) -> bool:
        """The pod is gone. True when its volumes were waited for: nobody else will hear of the end of that."""
        task = self._tasks.get(uid) if self._tasks else None
        return task is not None and task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one pod

    async def _run(self, entry: QueuedPod, node: str, labels: Mapping[str, str], plan: Plan) -> None:
        try:
            await self._write(node, plan)
            await self._clock.wait_for(
                self._wait(node, labels, plan), self._timeouts.get(entry.pod.scheduler_name, TIMEOUT)
            )
        except asyncio.CancelledError:
            self._give_back(plan)
            raise
        except TimeoutError:
            self._fail(entry, node, plan, VolumesNotBound("binding volumes: context deadline exceeded"))
        except VolumesNotBound as error:
            self._fail(entry, node, plan, VolumesNotBound(f"binding volumes: {error}"))
        except (StatusError, OSError) as error:
            self._fail(entry, node, plan, VolumesNotBound(str(error)))
        except Exception as error:
            log.exception("volumes of %s/%s", *entry.pod.key)
            self._fail(entry, node, plan, VolumesNotBound(str(error)))
        else:
            await self._then(entry, node)
        finally:
            self._tasks.pop(entry.pod.uid, None)

    def _fail(self, entry: QueuedPod, node: str, plan: Plan, error: Exception) -> None:
        self._give_back(plan)
        self._failed(entry, node, error)

    def _give_back(self, plan: Plan) -> None:
        for volume, _ in plan.bindings:
            self._storage.forget(kinds.VOLUME, volume)
        for claim in plan.provisions:
            self._storage.forget(kinds.CLAIM, claim)

    async def _write(self, node: str, plan: Plan) -> None:
        for volume, claim in plan.bindings:
            body = _volume_change(volume, claim)
            body["metadata"] |= {"uid": meta.uid(volume), "resourceVersion": meta.resource_version(volume)}
            await self._client.patch(r.PERSISTENT_VOLUMES, meta.name(volume), body)
        for claim in plan.provisions:
            body = _claim_change(node)
            body["metadata"]["uid"] = meta.uid(claim)
            await self._client.patch(
                r.PERSISTENT_VOLUME_CLAIMS, meta.name(claim), body, meta.namespace(claim)
            )

    async def _wait(self, node: str, labels: Mapping[str, str], plan: Plan) -> None:
        changed = asyncio.Event()
        keys = [meta.key(claim) for claim in (*(c for _, c in plan.bindings), *plan.provisions)]
        for key in keys:
            self._waiting.setdefault(key, set()).add(changed)
        try:
            while not self._is_done(node, labels, plan):
                changed.clear()
                await changed.wait()
        finally:
            for key in keys:
                self._waiting[key].discard(changed)
                if not self._waiting[key]:
                    del self._waiting[key]

    def _is_done(self, node: str, labels: Mapping[str, str], plan: Plan) -> bool:
        """Every claim is bound; raises VolumesNotBound when that will not come about."""
        done = True
        for volume, claim in plan.bindings:
            current = self._storage.volume(meta.name(volume))
            if current is None or not (current["spec"].get("claimRef") or {}).get("uid"):
                raise VolumesNotBound(f'ClaimRef got reset for pv "{meta.name(volume)}"')
            done &= binding.is_fully_bound(self._current(claim))
        for claim in plan.provisions:
            now = self._current(claim)
            if meta.annotations(now).get(binding.SELECTED_NODE) != node:
                raise VolumesNotBound(f'provisioning failed for PVC "{meta.name(claim)}"')
            made = self._storage.volume(now["spec"].get("volumeName") or "")
            if made is not None and not binding.allows_node(made, labels, node):
                why = "no matching NodeSelectorTerms"
                raise VolumesNotBound(
                    f'pv "{meta.name(made)}" node affinity doesn\'t match node "{node}": {why}'
                )
            done &= binding.is_fully_bound(now)
        return done

    def _current(self, claim: Object) -> Object:
        found = self._storage.claim(*meta.key(claim))
        if found is None or meta.uid(found) != meta.uid(claim):
            why = f'persistentvolumeclaim "{meta.name(claim)}" not found'
            raise VolumesNotBound(f"failed to check provisioning pvc: {why}")
        return found


def _volume_change(volume: Object, claim: Object) -> dict[str, Any]:
    by_us = not binding.is_for_claim(volume, claim)
    annotations = {binding.BOUND_BY_CONTROLLER: "yes"} if by_us else {}
    return {"metadata": {"annotations": annotations}, "spec": {"claimRef": binding.reference_to(claim)}}


def _claim_change(node: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {binding.SELECTED_NODE: node}}}


def _merged(obj: Object, change: dict[str, Any]) -> Object:
    """A copy with these annotations and fields of the spec."""
    annotations = {**meta.annotations(obj), **change["metadata"]["annotations"]}
    metadata = {**obj["metadata"], "annotations": annotations}
    return {**obj, "metadata": metadata, "spec": {**obj["spec"], **change.get("spec", {})}}
