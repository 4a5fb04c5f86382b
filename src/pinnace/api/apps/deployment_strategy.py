"""The strategy of deployments."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

_COUNTS = ("replicas", "minReadySeconds", "revisionHistoryLimit")


class DeploymentStrategy(WorkloadStrategy):
    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        strategy = spec.setdefault("strategy", {})
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            rolling.setdefault("maxUnavailable", "25%")
            rolling.setdefault("maxSurge", "25%")
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
        set_template_defaults(spec.setdefault("template", {}))

    def bumps_generation(self, new: Object, old: Object) -> bool:
        """Annotations count too: the controller passes them on to its ReplicaSets."""
        annotations = new["metadata"].get("annotations") or {}
        return super().bumps_generation(new, old) or annotations != (old["metadata"].get("annotations") or {})

    def prepare_status_update(self, new: Object, old: Object) -> None:
        super().prepare_status_update(new, old)
        if labels := old["metadata"].get("labels"):
            new["metadata"]["labels"] = labels
        else:
            new["metadata"].pop("labels", None)

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        found += _validate_spec(new["spec"], old["spec"].get("template"))
        return found + fields.immutable("spec.selector", new["spec"].get("selector"), old["spec"]["selector"])

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(_validate_status(new.get("status") or {}))


def _validate_spec(spec: Mapping[str, Any], old_template: Any = None) -> Iterator[Cause]:
    yield from rules.validate_counts(spec, *_COUNTS)
    yield from rules.validate_selector_and_template(
        spec, "deployment", deadline_owner="ReplicaSet", old_template=old_template
    )
    yield from _validate_strategy(spec.get("strategy") or {})
    deadline, settle = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds") or 0
    if deadline is not None:
        yield from fields.non_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= settle:
            why = "must be greater than minReadySeconds"
            yield fields.invalid("spec.progressDeadlineSeconds", deadline, why)


def _validate_strategy(strategy: Mapping[str, Any]) -> Iterator[Cause]:
    match strategy.get("type", ""):
        case "Recreate":
            if "rollingUpdate" in strategy:
                why = "may not be specified when strategy `type` is 'Recreate'"
                yield fields.forbidden("spec.strategy.rollingUpdate", why)
        case "RollingUpdate":
            yield from rules.validate_rolling_update(
                strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
            )
        case other:
            yield fields.not_supported("spec.strategy.type", other, ("Recreate", "RollingUpdate"))


def _validate_status(status: Mapping[str, Any]) -> Iterator[Cause]:
    total = status.get("replicas", 0)
    for name in ("updatedReplicas", "readyReplicas", "availableReplicas"):
        value = status.get(name, 0)
        yield from fields.non_negative(f"status.{name}", value)
        if value > total:
            yield fields.invalid(f"status.{name}", value, "cannot be greater than status.replicas")
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        value = status["availableReplicas"]
        yield fields.invalid("status.availableReplicas", value, "cannot be greater than readyReplicas")
