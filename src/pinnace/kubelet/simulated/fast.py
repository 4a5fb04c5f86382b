"""The quick way for most pods: Running and Ready at once, and what the spec says now is so now. Pure."""

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object


def needs_work(pod: Object) -> bool:
    """A pod that has yet to be started, followed, or let go."""
    phase = pods.phase(pod)
    return (
        meta.is_terminating(pod) or phase in ("", "Pending") or (phase == "Running" and not is_followed(pod))
    )


def is_followed(pod: Object) -> bool:
    """Whether the status speaks of the spec as it is now."""
    seen: int | None = pod["status"].get("observedGeneration")
    return seen == pod["metadata"].get("generation", 1)


def has_history(pod: Object) -> bool:
    """Its containers are not simply running, or must not for ever: they were told something, or its spec asks for thought."""
    spec = pod["spec"]
    if spec.get("readinessGates") or "activeDeadlineSeconds" in spec:
        return True
    status = pod.get("status") or {}
    return any(
        not one["ready"] or one["restartCount"] or "running" not in one["state"]
        for one in status.get("containerStatuses") or ()
    )


def running_status(pod: Object, host_ip: str, pod_ip: str, now: str) -> Object:
    """Running and Ready from now on. A merge patch replaces lists, so the scheduler's condition is written again."""
    spec, uid = pod["spec"], meta.uid(pod)
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    scheduled = pods.get_condition(pod, "PodScheduled") or {}
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
    if scheduled.get("status") == "True":
        conditions[-1] = scheduled
    status: Object = {
        "phase": "Running",
        "observedGeneration": pod["metadata"].get("generation", 1),
        "startTime": now,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "conditions": conditions,
        "containerStatuses": [
            container_entry(c, uid, {"running": {"startedAt": now}}) for c in spec["containers"]
        ],
    }
    if spec.get("initContainers"):
        done = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
        status["initContainerStatuses"] = [
            container_entry(
                c, uid, {"running": {"startedAt": now}} if pods.is_sidecar(c) else {"terminated": done}
            )
            for c in spec["initContainers"]
        ]
    return status


def updated_status(pod: Object) -> Object:
    """The containers as the spec now has them: their images and resources."""
    wanted = {one["name"]: one for one in pods.all_containers(pod)}
    status: Object = {"observedGeneration": pod["metadata"].get("generation", 1)}
    for field in ("containerStatuses", "initContainerStatuses"):
        if listed := pod["status"].get(field):
            status[field] = [{**one, **described(wanted.get(one["name"]) or {})} for one in listed]
    return status


def described(container: Object) -> Object:
    resources = container.get("resources") or {}
    image, requests = container.get("image", ""), resources.get("requests")
    shown: Object = {"image": image, "imageID": image, "resources": resources}
    return {**shown, "allocatedResources": requests} if requests else shown


def container_entry(container: Object, uid: str, state: Object) -> Object:
    return {
        "name": container["name"],
        **described(container),
        "containerID": f"simulated://{uid}/{container['name']}",
        "ready": True,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }
