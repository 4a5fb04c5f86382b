"""PodDisruptionBudgets: how many pods of a set evictions must leave."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors
from pinnace.api.condition_validation import validate_conditions
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


class PodDisruptionBudgetStrategy(Strategy):
    tracks_generation = True
    allows_unconditional_update = False

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
        obj["status"] = dict.fromkeys(counts, 0)

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_spec(new["spec"]))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old)
        status = new.get("status") or {}
        found += validate_conditions(status.get("conditions") or (), "status.conditions")
        for field in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
            found += fields.non_negative(f"status.{field}", status.get(field))
        return found


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    minimum, maximum = spec.get("minAvailable"), spec.get("maxUnavailable")
    if minimum is not None and maximum is not None:
        yield fields.invalid("spec", spec, "minAvailable and maxUnavailable are mutually exclusive")
    for field, value in (("minAvailable", minimum), ("maxUnavailable", maximum)):
        yield from label_selectors.validate_int_or_percent(value, f"spec.{field}")
        yield from label_selectors.validate_at_most_all(value, f"spec.{field}")
    yield from label_selectors.validate(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in EVICTION_POLICIES:
        yield fields.not_supported("spec.unhealthyPodEvictionPolicy", policy, EVICTION_POLICIES)
