"""Where to look next: what an object is made of or depends on. Pods that work are not followed."""

from collections.abc import Callable, Iterable

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.core.volume_binding import claim_names
from pinnace.insight.findings import Object
from pinnace.insight.pod_state import is_well
from pinnace.insight.world import KINDS, World

MOST_PODS = 10  # of one owner; what keeps ten from working is what keeps the others

Link = Callable[[Object, World], Iterable[Object]]


def neighbours(obj: Object, world: World) -> Iterable[Object]:
    link = LINKS.get(obj["kind"])
    return link(obj, world) if link else ()


def _unwell(found: Iterable[Object], world: World) -> list[Object]:
    bad = [pod for pod in found if not is_well(pod, world.now) and pods.phase(pod) != "Succeeded"]
    return world.representatives(bad)[:MOST_PODS]


def _replica_sets(deployment: Object, world: World) -> Iterable[Object]:
    """The sets that have, or want, pods."""
    return [
        one
        for one in world.owned_by(deployment, "ReplicaSet")
        if one["spec"].get("replicas") or (one.get("status") or {}).get("replicas")
    ]


def _pods(owner: Object, world: World) -> Iterable[Object]:
    return _unwell(world.owned_by(owner, "Pod"), world)


def _jobs(cron_job: Object, world: World) -> Iterable[Object]:
    """The newest: older ones failed for older reasons."""
    found = world.owned_by(cron_job, "Job")
    return sorted(found, key=lambda job: job["metadata"].get("creationTimestamp", ""))[-1:]


def _of_pod(pod: Object, world: World) -> Iterable[Object]:
    if pods.is_ready(pod) or pods.is_terminal(pod):
        return
    namespace = meta.namespace(pod)
    for _, name in claim_names(pod):
        claim = world.get("PersistentVolumeClaim", namespace, name)
        if claim is not None and (claim.get("status") or {}).get("phase") != "Bound":
            yield claim
    if pods.node_name(pod):
        node = world.get("Node", "", pods.node_name(pod))
        if node is not None:
            yield node


def _of_service(service: Object, world: World) -> Iterable[Object]:
    selector = service["spec"].get("selector")
    if not selector:
        return []
    return _unwell(world.pods_matching(meta.namespace(service), {"matchLabels": selector}), world)


def _of_ingress(ingress: Object, world: World) -> Iterable[Object]:
    for name in dict.fromkeys(service_names(ingress)):
        service = world.get("Service", meta.namespace(ingress), name)
        if service is not None:
            yield service


def service_names(ingress: Object) -> Iterable[str]:
    return [backend["service"]["name"] for _, backend in backends(ingress) if backend.get("service")]


def backends(ingress: Object) -> Iterable[tuple[str, Object]]:
    """Each backend with its field path."""
    spec = ingress["spec"]
    if spec.get("defaultBackend"):
        yield "spec.defaultBackend", spec["defaultBackend"]
    for i, rule in enumerate(spec.get("rules") or ()):
        for j, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            yield f"spec.rules[{i}].http.paths[{j}].backend", path["backend"]


def _target(autoscaler: Object, world: World) -> Iterable[Object]:
    reference = autoscaler["spec"]["scaleTargetRef"]
    if reference["kind"] in KINDS:
        target = world.get(reference["kind"], meta.namespace(autoscaler), reference["name"])
        if target is not None:
            yield target


def _of_budget(budget: Object, world: World) -> Iterable[Object]:
    return _unwell(world.pods_matching(meta.namespace(budget), budget["spec"].get("selector")), world)


LINKS: dict[str, Link] = {
    "CronJob": _jobs,
    "DaemonSet": _pods,
    "Deployment": _replica_sets,
    "HorizontalPodAutoscaler": _target,
    "Ingress": _of_ingress,
    "Job": _pods,
    "Pod": _of_pod,
    "PodDisruptionBudget": _of_budget,
    "ReplicaSet": _pods,
    "ReplicationController": _pods,
    "Service": _of_service,
    "StatefulSet": _pods,
}
