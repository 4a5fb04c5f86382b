"""HorizontalPodAutoscalers: one stored kind (autoscaling/v2), shown also as autoscaling/v1.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/autoscaling (v2/defaults.go, validation/validation.go)
"""

from typing import Any

from pinnace.api import normalise
from pinnace.api.autoscaling.conversion import ANNOTATIONS, from_v1
from pinnace.api.autoscaling.validation import validate_hpa_spec
from pinnace.api.core.container_defaults import canonical
from pinnace.api.fields import non_negative
from pinnace.api.meta import Object, mutable_copy
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

DEFAULT_UTILIZATION = 80
_SCALE_UP: Object = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN: Object = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


class HorizontalPodAutoscalerStrategy(Strategy):
    """autoscaling/v2, the version that is stored."""

    def set_defaults(self, obj: Object) -> None:
        set_v2_defaults(obj)

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"desiredReplicas": 0}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(validate_hpa_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(validate_hpa_spec(new["spec"]))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        status = new.get("status") or {}
        found = super().validate_status_update(new, old)
        for field in ("currentReplicas", "desiredReplicas"):
            found += non_negative(f"status.{field}", status.get(field))
        return found


class HorizontalPodAutoscalerV1Strategy(HorizontalPodAutoscalerStrategy):
    """autoscaling/v1: judged as what it means in v2, as upstream judges its internal form."""

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("minReplicas", 1)
        normalise.times_in(obj.get("status"), "lastScaleTime")
        if not ANNOTATIONS.isdisjoint(obj["metadata"].get("annotations") or ()):
            list(
                validate_hpa_spec(stored_form(obj)["spec"])
            )  # text that cannot be read fails here, as bad input

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(from_v1(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(from_v1(new), from_v1(old))


def stored_form(hpa: Object) -> Object:
    """A v1 object as it is stored, with what v2 fills in."""
    obj = mutable_copy(from_v1(hpa))
    set_v2_defaults(obj)
    return obj


def set_v2_defaults(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": DEFAULT_UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    for metric in spec["metrics"]:
        _set_canonical(metric)
    if (behavior := spec.get("behavior")) is not None:
        for field, standard in (("scaleUp", _SCALE_UP), ("scaleDown", _SCALE_DOWN)):
            behavior[field] = {**mutable_copy(standard), **(behavior.get(field) or {})}
            if "tolerance" in behavior[field]:
                behavior[field]["tolerance"] = canonical(behavior[field]["tolerance"])
    normalise.times_in(obj.get("status"), "lastScaleTime")


def _set_canonical(metric: dict[str, Any]) -> None:
    for source in metric.values():
        target = source.get("target") if isinstance(source, dict) else None
        for field in ("value", "averageValue"):
            if target and field in target:
                target[field] = canonical(target[field])
