"""Telling users: the PodScheduled condition and the events of a pod that was or was not scheduled."""

import logging

from pinnace.api import meta
from pinnace.api.resources import PODS
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.client.events import EventRecorder
from pinnace.client.interface import STRATEGIC_MERGE_PATCH, Client, Object
from pinnace.component.clock import Clock
from pinnace.scheduler.pod_info import PodInfo

log = logging.getLogger(__name__)

UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"


class Reporter:
    def __init__(self, client: Client, clock: Clock, recorder: EventRecorder) -> None:
        self._client, self._clock, self._recorder = client, clock, recorder

    def scheduled(self, pod: PodInfo, node: str) -> None:
        message = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        self._recorder.event(pod.object, "Normal", "Scheduled", message)

    async def failed(self, pod: PodInfo, reason: str, message: str, nomination: str | None = None) -> None:
        """Event, and the status when it says something new. reason: Unschedulable or SchedulerError.

        `nomination`: the node that the pod is nominated to from now on, "" for none, None for no change.
        """
        self._recorder.event(pod.object, "Warning", "FailedScheduling", message)
        status = condition_patch(pod.object, reason, message, format_time(self._clock.now()))
        known = (pod.object.get("status") or {}).get("nominatedNodeName") or ""
        if nomination is not None and nomination != known:
            status = {**(status or {}), "nominatedNodeName": nomination or None}
        if status is None:
            return
        body = {"metadata": {"uid": pod.uid}, "status": status}
        try:
            await self._client.patch(
                PODS, pod.name, body, pod.namespace,
                subresource="status", content_type=STRATEGIC_MERGE_PATCH,
            )  # fmt: skip
        except (NotFound, Conflict):
            return  # deleted or replaced meanwhile
        except (StatusError, OSError, TimeoutError) as error:
            log.warning("status of %s/%s not written: %s", pod.namespace, pod.name, error)


def condition_patch(pod: Object, reason: str, message: str, now: str) -> Object | None:
    """The status with PodScheduled=False, for a strategic merge patch, which keeps conditions of others; None when the pod says so already."""
    old = meta.find_condition(pod, "PodScheduled") or {}
    new = {
        "type": "PodScheduled",
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": old["lastTransitionTime"]
        if old.get("status") == "False" and "lastTransitionTime" in old
        else now,
        "reason": reason,
        "message": message,
    }
    generation = pod["metadata"].get("generation")
    if generation:
        new["observedGeneration"] = generation
    if all(old.get(part) == new[part] for part in ("status", "reason", "message")):
        return None
    return {"conditions": [new]}
