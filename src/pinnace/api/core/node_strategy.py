"""The strategy of nodes. A node that registers itself brings its status along: creation keeps it."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.container_defaults import round_amounts
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class NodeStrategy(Strategy):
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "spec.unschedulable"))

    def set_defaults(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.get("status")
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]
        elif spec.get("podCIDRs"):
            spec["podCIDR"] = spec["podCIDRs"][0]
        if status:
            round_amounts(status.get("capacity"))
            round_amounts(status.get("allocatable"))
            if status.get("capacity") and not status.get("allocatable"):
                status["allocatable"] = dict(status["capacity"])

    def prepare_create(self, obj: Object) -> None:
        status = obj.get("status")
        super().prepare_create(obj)
        if status is not None:
            obj["status"] = status

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate_spec(obj["spec"])

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        after, before = new["spec"], old.get("spec") or {}
        if before.get("podCIDRs") and after.get("podCIDRs") != before["podCIDRs"]:
            why = 'node updates may not change podCIDR except from "" to valid'
            found.append(fields.forbidden("spec.podCIDRs", why))
        if before.get("providerID") and after.get("providerID") != before["providerID"]:
            why = 'node updates may not change providerID except from "" to valid'
            found.append(fields.forbidden("spec.providerID", why))
        return found + _validate_spec(after)

    def field_labels(self, obj: Object) -> dict[str, str]:
        unschedulable = bool((obj.get("spec") or {}).get("unschedulable"))
        return {**super().field_labels(obj), "spec.unschedulable": "true" if unschedulable else "false"}


def _validate_spec(spec: Mapping[str, Any]) -> list[Cause]:
    found = validate_taints(spec.get("taints") or [], "spec.taints")
    for index, cidr in enumerate(spec.get("podCIDRs") or ()):
        found += fields.all_invalid(f"spec.podCIDRs[{index}]", cidr, names.cidr(cidr))
    return found


def validate_taints(taints: list[dict[str, Any]], path: str) -> list[Cause]:
    found: list[Cause] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        here = f"{path}[{index}]"
        key, effect, value = taint.get("key", ""), taint.get("effect", ""), taint.get("value", "")
        found += fields.all_invalid(f"{here}.key", key, names.qualified_name(key))
        found += fields.all_invalid(f"{here}.value", value, names.label_value(value))
        found += validate_effect(effect, f"{here}.effect")
        if (key, effect) in seen:
            why = f"taints must be unique by key and effect pair, found duplicate {fields.text(taint)}"
            found.append(fields.invalid(here, taint, why))
        seen.add((key, effect))
    return found


def validate_effect(effect: str, path: str) -> list[Cause]:
    if effect in EFFECTS:
        return []
    return [fields.not_supported(path, effect, EFFECTS) if effect else fields.required(path)]
