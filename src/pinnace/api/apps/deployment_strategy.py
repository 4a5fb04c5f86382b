"""The strategy of deployments."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors
from pinnace.api.apps import workload_validation as rules
from pinnace.api.apps.workload_strategy import WorkloadStrategy
from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

_COUNTS = ("replicas", "minReadySeconds", "revisionHistoryLimit")
_REPLICAS = ("updatedReplicas", "readyReplicas", "availableReplicas")


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
        return super().validate_status_update(new, old) + list(
            rules.validate_replica_status(new.get("status") or {}, *_REPLICAS)
        )


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
            rolling, path = strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
            yield from rules.validate_rolling_update(rolling, path)
            unavailable, surge = (rolling or {}).get("maxUnavailable"), (rolling or {}).get("maxSurge")
            if rolling and label_selectors.is_zero(unavailable) and label_selectors.is_zero(surge):
                why = "may not be 0 when `maxSurge` is 0"
                yield fields.invalid(f"{path}.maxUnavailable", unavailable or 0, why)
        case other:
            yield fields.not_supported("spec.strategy.type", other, ("Recreate", "RollingUpdate"))
