"""The strategy of pods: what is reset on create and update, what is selectable."""

from collections.abc import Callable
from typing import Any

from pinnace.api import fields, meta
from pinnace.api.core import pod_resources
from pinnace.api.core.pod_addresses import validate_addresses
from pinnace.api.core.pod_defaults import set_pod_defaults, sync_service_account
from pinnace.api.core.pod_resize import resized, validate_resize
from pinnace.api.core.pod_update_validation import (
    validate_ephemeral_update,
    validate_pod_update,
    validate_status_transitions,
)
from pinnace.api.core.pod_validation import validate_pod
from pinnace.api.core.pod_warnings import HOSTNAME, name_warnings, pod_warnings
from pinnace.api.meta import Object
from pinnace.api.resources import Resource
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.remembered import Remembered

_SPEC_LABELS = tuple(
    (field, f"spec.{field}") for field in ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName")
)
_STATUS_LABELS = tuple((field, f"status.{field}") for field in ("phase", "podIP", "nominatedNodeName"))


class PodStrategy(Strategy):
    tracks_generation = True
    independent_fields = ("spec",)
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

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)
        self._judged: Remembered[Any] = Remembered()  # of specs: pods of one workload have the same

    def _of_spec(self, name: str, spec: Object, judge: Callable[[Object], Any]) -> Any:
        key = self._judged.key(name, spec)
        known = self._judged.get(key)
        return self._judged.put(key, judge(spec)) if known is None else known

    def set_defaults(self, obj: Object) -> None:
        set_pod_defaults(obj)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        spec = obj.setdefault("spec", {})
        sync_service_account(spec)  # admission may have chosen one
        qos = self._of_spec("qos", spec, pod_resources.compute_qos_class)
        obj["status"] = {"phase": "Pending", "qosClass": qos}
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [_GATED.copy()]

    def prepare_status_update(self, new: Object, old: Object) -> None:
        super().prepare_status_update(new, old)
        if qos := (old.get("status") or {}).get("qosClass"):
            new.setdefault("status", {})["qosClass"] = qos

    def prepare_ephemeral_containers_update(self, new: Object, old: Object) -> None:
        """Through `pods/ephemeralcontainers`: nothing but that list changes."""
        added = (new.get("spec") or {}).get("ephemeralContainers")
        version = new["metadata"].get("resourceVersion")
        new.clear()
        new.update(meta.mutable_copy(old))
        new["spec"]["ephemeralContainers"] = added or []
        if version:
            new["metadata"]["resourceVersion"] = version
        if self.bumps_generation(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_resize(self, new: Object, old: Object) -> None:
        """Through `pods/resize`: nothing but resources and resize policies of containers changes."""
        wanted = resized(new, old)
        new.clear()
        new.update(wanted)
        if self.bumps_generation(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj)
        found += self._of_spec("faults", obj.get("spec") or {}, _faults)
        if (obj.get("spec") or {}).get("ephemeralContainers"):
            why = "cannot be set on create"
            found.append(fields.forbidden("spec.ephemeralContainers", why))
        return found

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(validate_pod_update(new, old))

    def validate_ephemeral_containers_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(validate_ephemeral_update(new, old))

    def validate_resize(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(validate_pod(new))
        return found + list(validate_resize(new, old))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old) + list(validate_status_transitions(new, old))
        return found + list(validate_addresses(new.get("status") or {}, old.get("status") or {}))

    def create_warnings(self, obj: Object) -> list[str]:
        return [*super().create_warnings(obj), *name_warnings(obj, HOSTNAME)]

    def warnings(self, obj: Object) -> list[str]:
        warnings: list[str] = self._of_spec("warnings", obj.get("spec") or {}, _warnings)
        return super().warnings(obj) + warnings

    def field_labels(self, obj: Object) -> dict[str, str]:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        labels = super().field_labels(obj)
        for field, label in _SPEC_LABELS:
            labels[label] = spec.get(field) or ""
        labels["spec.hostNetwork"] = "true" if spec.get("hostNetwork") else "false"
        for field, label in _STATUS_LABELS:
            labels[label] = status.get(field) or ""
        addresses = status.get("podIPs")
        labels["status.podIPs"] = ",".join(entry.get("ip", "") for entry in addresses) if addresses else ""
        return labels


def _faults(spec: Object) -> list[Cause]:
    return list(validate_pod({"spec": spec}))


def _warnings(spec: Object) -> list[str]:
    return list(pod_warnings(spec, "spec"))


_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
