"""ReplicaSets: defaults, validation, the one extra field that selectors may name."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

_REPLICAS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


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
        return super().validate_status_update(new, old) + list(
            rules.validate_replica_status(new.get("status") or {}, *_REPLICAS)
        )

    def field_labels(self, obj: Object) -> dict[str, str]:
        replicas = (obj.get("status") or {}).get("replicas", 0)
        return {**super().field_labels(obj), "status.replicas": str(replicas)}


def _validate_spec(spec: Mapping[str, Any], old_template: Any = None) -> Iterator[Cause]:
    yield from rules.validate_counts(spec, "replicas", "minReadySeconds")
    yield from rules.validate_selector_and_template(
        spec, "deployment", deadline_owner="ReplicaSet", old_template=old_template
    )
