"""Which Services and workloads a pod belongs to: the selector by which pods without constraints are spread softly."""

from pinnace.api import label_selectors, meta
from pinnace.api.resources import REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICES, STATEFUL_SETS
from pinnace.apimachinery.selectors import Requirement, Selector, from_label_selector
from pinnace.client.informer import Informers
from pinnace.scheduler.pod_info import PodInfo

OWNERS = {
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": STATEFUL_SETS,
    "ReplicationController": REPLICATION_CONTROLLERS,
}


class WorkloadSelectors:
    def __init__(self, informers: Informers) -> None:
        self._services = informers.of(SERVICES).lister
        self._owners = {kind: informers.of(gvr).lister for kind, gvr in OWNERS.items()}

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
        return from_label_selector(label_selectors.of(owner)).requirements
