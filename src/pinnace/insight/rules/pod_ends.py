"""Pods that ended, or that should be gone and are not."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import nodes, pods
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import (
    CAUSE,
    LIKELY,
    NOTE,
    Evidence,
    Finding,
    Object,
    event,
    field,
    finding,
    ready_to_type,
)
from pinnace.insight.rules.jobs import is_over
from pinnace.insight.world import World

_REASONS = {
    "Evicted": "its node ran short of something and evicted it",
    "DeadlineExceeded": "it ran longer than activeDeadlineSeconds allows",
    "NodeLost": "its node is gone or silent",
    "NodeShutdown": "its node was shutting down",
    "Terminated": "its node was shut down",
    "Preempting": "a critical pod took its place on the node",
    "NodeAffinity": "its node does not (any more) match its node selector or affinity",
    "UnexpectedAdmissionError": "its node refused it",
}


_DISRUPTIONS = {
    "PreemptionByScheduler": "a pod with a higher priority takes its place",
    "DeletionByTaintManager": "a taint of its node (NoExecute) throws it off",
    "EvictionByEvictionAPI": "somebody evicted it (a drain does)",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node ends it: short of something, shutting down, or for a critical pod",
}


def disrupted(pod: Object, _: World) -> Iterator[Finding]:
    """Why it goes or went, as far as a condition tells."""
    found = pods.get_condition(pod, "DisruptionTarget")
    if found and found.get("status") == "True":
        reason = found.get("reason", "")
        yield finding(
            pod, f"{_DISRUPTIONS.get(reason, reason)}: {found.get('message') or reason}", rank=NOTE,
            evidence=[Evidence(f"pod/{meta.name(pod)} status.conditions[DisruptionTarget]", reason)],
            commands=[ready_to_type("describe", pod)],
        )  # fmt: skip


GONE_SECONDS = 15  # what a controller may take to remove its finalizer


def failed(pod: Object, world: World) -> Iterator[Finding]:
    """Failed as a whole; single containers that fail are told by `crash`."""
    status = pod.get("status") or {}
    reason = status.get("reason", "")
    if status.get("phase") == "Unknown":
        yield finding(
            pod, f"the state of the pod is unknown: node {pods.node_name(pod)} does not answer",
            rank=LIKELY, evidence=[field(pod, "status.phase", "Unknown")], commands=[f"kubectl describe node {pods.node_name(pod)}"],
        )  # fmt: skip
    if status.get("phase") != "Failed" or not reason:
        return
    text = _REASONS.get(reason)
    if text is None:
        text = f"its node had no {reason.removeprefix('OutOf')} left for it when it arrived" if reason.startswith("OutOf") else f"its node refused it ({reason})"  # fmt: skip
    yield finding(
        pod, f"{text}: {' '.join((status.get('message') or reason).split())}", rank=NOTE if _is_replaced(pod, world) else CAUSE,
        evidence=[field(pod, "status.reason", reason), *map(event, world.events(pod, reason)[:1])],
        commands=[f"kubectl describe node {pods.node_name(pod)}", ready_to_type("delete", pod)] if pods.node_name(pod) else [ready_to_type("delete", pod)],
    )  # fmt: skip


def _is_replaced(pod: Object, world: World) -> bool:
    """Its controller has made another one; what is left of this one harms nobody."""
    owner = meta.controller_of(pod)
    return (
        owner is not None and owner["kind"] in ("ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet")
        and not world.is_asked(pod)
    ) or is_over(pod, world)  # fmt: skip


def terminating(pod: Object, world: World) -> Iterator[Finding]:
    """Longer than its grace allows."""
    if not pods.is_terminating(pod):
        return
    # deletionTimestamp already contains the grace period
    late = world.now - parse_time(pod["metadata"]["deletionTimestamp"]).timestamp()
    if late < 0:
        grace = pods.grace_period_seconds(pod)
        yield finding(
            pod, f"it is being deleted, and has {-late:.0f} s of its grace of {grace} s left", rank=20,
            evidence=[field(pod, "metadata.deletionTimestamp", pod["metadata"]["deletionTimestamp"])],
        )  # fmt: skip
        return
    name = pods.node_name(pod)
    node = world.get("Node", "", name) if name else None
    evidence = [field(pod, "metadata.deletionTimestamp", pod["metadata"]["deletionTimestamp"])]
    force = ready_to_type("delete", pod, "--force --grace-period=0")
    if name and world.is_missing("Node", "", name):
        yield finding(pod, f"it cannot end: its node {name} is gone", evidence=[*evidence, field(pod, "spec.nodeName", name)], commands=[force])  # fmt: skip
    elif node is not None and not nodes.is_ready(node):
        yield finding(pod, f"it cannot end: its node {name} is not ready, so nobody stops its containers",
                      evidence=[*evidence, field(pod, "spec.nodeName", name)],
                      commands=[f"kubectl describe node {name}", force])  # fmt: skip
    elif not pod["metadata"].get("finalizers") and late > 10:
        seen = world.events(pod, "FailedKillPod", "ExceededGracePeriod", "FailedPreStopHook")
        yield finding(
            pod, f"it should have ended {late:.0f} s ago, but the node has not said that its containers are gone", rank=LIKELY,
            evidence=[*evidence, *map(event, seen[:1])], commands=[ready_to_type("describe", pod), force],
        )  # fmt: skip


def finalizers(obj: Object, world: World) -> Iterator[Finding]:
    """Of any kind: deleted, and held by whoever has not finished."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or not metadata.get("finalizers"):
        return
    names, age = metadata["finalizers"], world.now - parse_time(metadata["deletionTimestamp"]).timestamp()
    if age < 0:
        return
    if names in (["foregroundDeletion"], ["orphan"]):
        owned = [
            f"{kind} {meta.name(one)}"
            for kind in ("ReplicaSet", "Job", "Pod")
            for one in world.owned_by(obj, kind)
        ]
        names_text = f" ({', '.join(owned[:3])}{', ...' if len(owned) > 3 else ''})" if owned else ""
        cause = f"it is deleted once the objects that it owns are{names_text}"
    elif names == ["kubernetes.io/pvc-protection"]:
        users = [
            meta.name(pod)
            for pod in world.every("Pod", meta.namespace(obj))
            if any((volume.get("persistentVolumeClaim") or {}).get("claimName") == meta.name(obj) for volume in pod["spec"].get("volumes") or ())
        ]  # fmt: skip
        cause = f"it stays as long as pods use it: {', '.join(users[:5]) or 'none is seen'}"
    else:
        cause = f"it cannot go: {', '.join(names)} holds it (the controller that set this finalizer has not removed it; it may be gone)"
    yield finding(
        obj, cause, rank=CAUSE if "cannot go" in cause and age > GONE_SECONDS else LIKELY,
        evidence=[Evidence(f"{obj['kind'].lower()}/{metadata['name']} metadata.finalizers", ", ".join(names)),
                              field(obj, "metadata.deletionTimestamp", metadata["deletionTimestamp"])],
        commands=[ready_to_type("patch", obj, "--type=merge -p '{\"metadata\":{\"finalizers\":null}}'")] if "cannot go" in cause else [ready_to_type("describe", obj)],
    )  # fmt: skip
