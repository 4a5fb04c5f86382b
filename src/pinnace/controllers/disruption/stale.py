"""Pods that were to be disrupted and were not: after two minutes their condition DisruptionTarget becomes False.

An eviction that was granted, or a preemption that was decided, may never come to the deletion of the pod.
"""

from collections.abc import Iterator
from datetime import timedelta

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import PODS
from pinnace.apimachinery.times import format_time, parse_time
from pinnace.controllers.runtime import Action, Controller, Patch, RequeueAfter, World

TIMEOUT = timedelta(seconds=120)
BY_KUBELET = "TerminationByKubelet"  # may take any time until the pod goes


def reconcile(pod: Object, world: World) -> Iterator[Action]:
    condition = pods.get_condition(pod, "DisruptionTarget")
    if condition is None or not may_be_stale(pod):
        return
    since = condition.get("lastTransitionTime")
    left = (parse_time(since) + TIMEOUT - world.now).total_seconds() if since else 0.0
    if left > 0:
        yield RequeueAfter(left)
        return
    reset = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": format_time(world.now)}
    found = [reset if one is condition else one for one in pod["status"]["conditions"]]
    yield Patch(pod, {"status": {"conditions": found}}, subresource="status", guarded=True)


def may_be_stale(pod: Object) -> bool:
    condition = pods.get_condition(pod, "DisruptionTarget")
    return (
        condition is not None
        and condition.get("status") == "True"
        and condition.get("reason") != BY_KUBELET
        and pods.is_active(pod)
    )


def concerns(_: Object | None, new: Object) -> bool:
    return may_be_stale(new)


CONTROLLER = Controller(
    name="disruption",
    source="controllermanager",
    primary=PODS,
    reconcile=reconcile,
    concerns=concerns,
    workers=1,
)
