"""Pods that have a node and wait there: for pods that leave, for a volume that is attached elsewhere, for a driver, or for nothing that anybody tells."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.core.volume_binding import claim_names
from pinnace.insight.findings import LIKELY, Evidence, Finding, Object, field, finding, ready_to_type, shown
from pinnace.insight.world import World

CREATES_SECONDS = 60
AGES = 1e9  # of what does not say when it was created


def nominated(pod: Object, world: World) -> Iterator[Finding]:
    """Others were told to make room for it, and have not gone yet."""
    name = (pod.get("status") or {}).get("nominatedNodeName")
    if not name or pods.node_name(pod):
        return
    going = [one for one in world.pods_on(name) if pods.is_terminating(one)]
    names = ", ".join(map(meta.key_text, going[:3]))
    text = (
        f"{names} go{'es' if len(going) == 1 else ''} there first"
        if going
        else "nothing goes away there any more"
    )
    yield finding(
        pod, f"room is made for it on {name}: {text}", rank=LIKELY,
        evidence=[field(pod, "status.nominatedNodeName", name), *[field(one, "metadata.deletionTimestamp", one["metadata"]["deletionTimestamp"]) for one in going[:3]]],
        commands=[f"pinnace why pod {meta.name(one)} -n {meta.namespace(one)}" for one in going[:3]] or [ready_to_type("describe", pod)],
    )  # fmt: skip


def attachments(pod: Object, world: World) -> Iterator[Finding]:
    """Told by the attachments of its volumes, also when the events are over."""
    node = pods.node_name(pod)
    if pods.phase(pod) != "Pending" or not node:
        return
    for _, claim_name in claim_names(pod):
        claim = world.get("PersistentVolumeClaim", meta.namespace(pod), claim_name) or {}
        volume = world.get("PersistentVolume", "", (claim.get("spec") or {}).get("volumeName") or "-")
        driver = ((volume or {}).get("spec") or {}).get("csi", {}).get("driver")
        if volume is None or not driver:
            continue
        yield from _attachment(pod, volume, node, world)
        registered = world.get("CSINode", "", node)
        drivers = [one.get("name") for one in ((registered or {}).get("spec") or {}).get("drivers") or ()]
        if registered is not None and driver not in drivers:
            yield finding(
                pod, f"its node {node} has not the CSI driver {driver} of volume {meta.name(volume)}: the driver's pod does not run there, or is not ready",
                evidence=[Evidence(f"csinode/{node} spec.drivers", shown(drivers))],
                commands=[f"kubectl get pods -A -o wide --field-selector spec.nodeName={node}", f"kubectl get csinode {node} -o yaml"],
            )  # fmt: skip


def _attachment(pod: Object, volume: Object, node: str, world: World) -> Iterator[Finding]:
    for one in world.every("VolumeAttachment"):
        spec, status = one["spec"], one.get("status") or {}
        if (spec.get("source") or {}).get("persistentVolumeName") != meta.name(volume):
            continue
        where = f"volumeattachment/{meta.name(one)}"
        if error := (status.get("attachError") or status.get("detachError")):
            yield finding(
                pod, f"volume {meta.name(volume)} cannot be {'attached to' if status.get('attachError') else 'taken off'} {spec.get('nodeName')}: {shown(error.get('message'))}",
                evidence=[Evidence(f"{where} status", shown(error.get("message")))], commands=[ready_to_type("describe", one)],
            )  # fmt: skip
        elif spec.get("nodeName") != node and "ReadWriteMany" not in (
            volume["spec"].get("accessModes") or ()
        ):
            yield finding(
                pod, f"volume {meta.name(volume)} is attached to {spec.get('nodeName')}, and can be on one node only; the pod is on {node}",
                evidence=[Evidence(f"{where} spec.nodeName", shown(spec.get("nodeName"))), field(volume, "spec.accessModes", volume["spec"].get("accessModes"))],
                commands=[f"kubectl get pods -A -o wide --field-selector spec.nodeName={spec.get('nodeName')}", ready_to_type("describe", one)],
            )  # fmt: skip


def creating(pod: Object, world: World) -> Iterator[Finding]:
    """No container has begun for a minute, and nobody says why."""
    since = pods.get_condition(pod, "PodScheduled") or {}
    if (
        pods.phase(pod) != "Pending"
        or not pods.node_name(pod)
        or pods.is_terminating(pod)
        or not CREATES_SECONDS <= world.age(pod) < AGES
    ):
        return  # fmt: skip
    states = [(one.get("state") or {}) for one in pods.container_statuses(pod)]
    reasons = {(state.get("waiting") or {}).get("reason", "") for state in states if "waiting" in state}
    if any("running" in one or "terminated" in one for one in states) or reasons - {"", "ContainerCreating", "PodInitializing"}:  # fmt: skip
        return
    if any(one.get("type") == "Warning" for one in world.events(pod)):
        return
    pulls = list(world.events(pod, "Pulling", "Pulled"))
    is_pulled = bool(pulls) and pulls[0].get("reason") == "Pulling"
    text = (
        "its image is being fetched"
        if is_pulled
        else f"node {pods.node_name(pod)} has it, has started none of its containers, and does not say why"
    )
    yield finding(
        pod, f"{text} ({world.age(pod):.0f} s)", rank=LIKELY - 10,
        evidence=[field(pod, "status.conditions[PodScheduled].lastTransitionTime", since.get("lastTransitionTime")), Evidence("events", shown((pulls[0].get("message") if pulls else "") or "none with a reason"))],
        commands=[ready_to_type("describe", pod), f"kubectl describe node {pods.node_name(pod)}"],
    )  # fmt: skip
