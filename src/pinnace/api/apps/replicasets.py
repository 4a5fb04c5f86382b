"""ReplicaSets: defaults, validation, the one extra field that selectors may name."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause


class ReplicaSetStrategy(WorkloadStrategy):
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "status.replicas"))

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        set_template_defaults(spec.setdefault("template", {}))

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        found += _validate_spec(new["spec"], old["spec"].get("template"))
        return found + fields.immutable("spec.selector", new["spec"].get("selector"), old["spec"]["selector"])

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(_validate_status(new.get("status") or {}))

    def field_labels(self, obj: Object) -> dict[str, str]:
        replicas = (obj.get("status") or {}).get("replicas", 0)
        return {**super().field_labels(obj), "status.replicas": str(replicas)}


def _validate_spec(spec: Mapping[str, Any], old_template: Any = None) -> Iterator[Cause]:
    yield from rules.validate_counts(spec, "replicas", "minReadySeconds")
    yield from rules.validate_selector_and_template(
        spec, "deployment", deadline_owner="ReplicaSet", old_template=old_template
    )


def _validate_status(status: Mapping[str, Any]) -> Iterator[Cause]:
    total = status.get("replicas", 0)
    for name in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        value = status.get(name, 0)
        yield from fields.non_negative(f"status.{name}", value)
        if value > total:
            yield fields.invalid(f"status.{name}", value, "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        value = status["availableReplicas"]
        yield fields.invalid("status.availableReplicas", value, "cannot be greater than readyReplicas")
