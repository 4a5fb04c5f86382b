"""Leases: heartbeats of nodes and locks of leaders."""

from datetime import datetime

from pinnace.api import fields, names, normalise
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery import times
from pinnace.apimachinery.errors import Cause

STRATEGIES = ("OldestEmulationVersion",)


def renewed_at(lease: Object) -> datetime | None:
    text = (lease.get("spec") or {}).get("renewTime")
    return times.parse_time(text) if text else None


class LeaseStrategy(Strategy):
    allows_create_on_update = True
    allows_unconditional_update = False

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for field in ("acquireTime", "renewTime"):
            if field in spec:
                spec[field] = normalise.micro_time_text(spec[field])

    def warnings(self, obj: Object) -> list[str]:
        """Fields of coordinated leader election, which this cluster does not have."""
        spec = obj.get("spec") or {}
        unused = [field for field in ("strategy", "preferredHolder") if spec.get(field)]
        return super().warnings(obj) + [
            f"spec.{field}: has no effect: there is no coordinated leader election in this cluster"
            for field in unused
        ]

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate_spec(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + _validate_spec(new)


def _validate_spec(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    seconds = spec.get("leaseDurationSeconds")
    found: list[Cause] = []
    if seconds is not None and seconds <= 0:
        found.append(fields.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    found += fields.non_negative("spec.leaseTransitions", spec.get("leaseTransitions"))
    strategy = spec.get("strategy")
    if strategy is not None:
        found += _validate_strategy(strategy)
    if spec.get("preferredHolder") and not strategy:
        why = "may only be specified if `strategy` is defined"
        found.append(fields.forbidden("spec.preferredHolder", why))
    return found


def _validate_strategy(strategy: str) -> list[Cause]:
    path = "spec.strategy.strategy"  # twice, as upstream has it
    if "/" in strategy:
        return fields.all_invalid(path, strategy, names.qualified_name(strategy))
    return [] if strategy in STRATEGIES else [fields.not_supported(path, strategy, STRATEGIES)]
