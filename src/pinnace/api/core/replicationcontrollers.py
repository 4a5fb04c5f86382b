"""ReplicationControllers: the elder of ReplicaSets, whose selector is a plain map of labels.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/replicationcontroller/strategy.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.core.pod_validation import validate_template
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

_REPLICAS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


class ReplicationControllerStrategy(WorkloadStrategy):
    orphans_by_default = True
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "status.replicas"))

    def set_defaults(self, obj: Object) -> None:
        """What is not said follows from the template: selector and labels."""
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        template = spec.get("template")
        if template is None:
            return
        set_template_defaults(template)
        if labels := template["metadata"].get("labels"):
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not obj["metadata"].get("labels"):
                obj["metadata"]["labels"] = dict(labels)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        return found + list(_validate_spec(new["spec"], old["spec"].get("template")))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        status = new.get("status") or {}
        found = super().validate_status_update(new, old)
        found += rules.validate_status_counts(status, "replicas", "observedGeneration")
        return found + list(rules.validate_replica_status(status, *_REPLICAS))

    def field_labels(self, obj: Object) -> dict[str, str]:
        replicas = (obj.get("status") or {}).get("replicas", 0)
        return {**super().field_labels(obj), "status.replicas": str(replicas)}


def _validate_spec(spec: Mapping[str, Any], old_template: Any = None) -> Iterator[Cause]:
    yield from rules.validate_counts(spec, "minReadySeconds")
    selector, template = spec.get("selector") or {}, spec.get("template")
    if not selector:
        yield fields.required("spec.selector")
    yield from rules.validate_counts(spec, "replicas")
    if template is None:
        yield fields.required("spec.template")
        return
    yield from rules.validate_match({"matchLabels": selector}, template)
    if old_template is None or old_template != template:
        yield from validate_template(template, "spec.template")
    yield from rules.validate_runs_always(template, "ReplicationController")
