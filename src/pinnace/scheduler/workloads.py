"""Which Services and workloads a pod belongs to: the selector by which pods without constraints are spread softly."""

from pinnace.api import meta
from pinnace.api.resources import BY_GVR, REPLICA_SETS, SERVICES
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.selectors import Requirement, Selector, from_label_selector
from pinnace.client.informer import Informers
from pinnace.scheduler.pod_info import PodInfo

# Looked up only where the API serves them; a new row of the resource table is enough.
OWNERS = {
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": GVR("apps", "v1", "statefulsets"),
    "ReplicationController": GVR("", "v1", "replicationcontrollers"),
}


class WorkloadSelectors:
    def __init__(self, informers: Informers) -> None:
        self._services = informers.of(SERVICES).lister
        self._owners = {kind: informers.of(gvr).lister for kind, gvr in OWNERS.items() if gvr in BY_GVR}

    def of(self, pod: PodInfo) -> Selector | None:
        """All requirements of the Services that select the pod and of its controller; None when there are none."""
        pairs: dict[str, str] = {}
        for service in self._services.by_index("namespace", pod.namespace):
            wanted = service["spec"].get("selector") or {}
            if wanted and all(pod.labels.get(key) == value for key, value in wanted.items()):
                pairs.update(wanted)
        requirements = [Requirement(key, "In", frozenset((value,))) for key, value in sorted(pairs.items())]
        requirements += self._of_owner(pod)
        return Selector(tuple(requirements)) if requirements else None

    def _of_owner(self, pod: PodInfo) -> tuple[Requirement, ...]:
        reference = meta.controller_of(pod.object)
        lister = self._owners.get(reference["kind"]) if reference else None
        owner = lister.get(reference["name"], pod.namespace) if lister is not None and reference else None
        if owner is None:
            return ()
        selector = owner["spec"].get("selector") or {}
        if owner["kind"] == "ReplicationController":
            selector = {"matchLabels": selector}
        return from_label_selector(selector).requirements
