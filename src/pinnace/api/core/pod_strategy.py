"""The strategy of pods: what is reset on create and update, what is selectable."""

from pinnace.api.core import pod_resources
from pinnace.api.core.pod_defaults import set_pod_defaults
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy

_SPEC_LABELS = ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName")
_STATUS_LABELS = ("phase", "podIP", "nominatedNodeName")


class PodStrategy(Strategy):
    tracks_generation = True
    default_grace_period_seconds = 30
    selectable_fields = frozenset(
        (
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        )
    )

    def default(self, obj: Object) -> None:
        super().default(obj)
        set_pod_defaults(obj)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        spec = obj.get("spec") or {}
        status = {"phase": "Pending", "qosClass": pod_resources.compute_qos_class(spec)}
        obj["status"] = {**status, **({"conditions": [_GATED.copy()]} if spec.get("schedulingGates") else {})}

    def field_labels(self, obj: Object) -> dict[str, str]:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        labels = super().field_labels(obj)
        for field in _SPEC_LABELS:
            labels[f"spec.{field}"] = spec.get(field) or ""
        labels["spec.hostNetwork"] = "true" if spec.get("hostNetwork") else "false"
        for field in _STATUS_LABELS:
            labels[f"status.{field}"] = status.get(field) or ""
        labels["status.podIPs"] = ",".join(entry.get("ip", "") for entry in status.get("podIPs") or ())
        return labels


_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
