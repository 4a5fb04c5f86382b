"""PriorityClasses: a number with a name; the two of the system, and the range that users may take.

Rules: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/scheduling/validation/validation.go
"""

from collections.abc import Iterable

from pinnace.api import fields
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

HIGHEST_USER_VALUE = 1_000_000_000
PREEMPT, NEVER = "PreemptLowerPriority", "Never"
_PREFIX = "system-"
SYSTEM = {
    "system-node-critical": (
        HIGHEST_USER_VALUE * 2 + 1000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        HIGHEST_USER_VALUE * 2,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}


def system_classes() -> Iterable[Object]:
    """What every cluster has from its start."""
    for name, (value, description) in SYSTEM.items():
        yield {
            "kind": "PriorityClass",
            "apiVersion": "scheduling.k8s.io/v1",
            "metadata": {"name": name, "generation": 1},
            "value": value,
            "description": description,
            "preemptionPolicy": PREEMPT,
        }


class PriorityClassStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("value", 0)
        obj["preemptionPolicy"] = obj.get("preemptionPolicy") or PREEMPT
        if not obj.get("globalDefault"):
            obj.pop("globalDefault", None)

    def bumps_generation(self, new: Object, old: Object) -> bool:
        return False  # upstream's stays at 1

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        if new["value"] != old.get("value", 0):
            found.append(fields.forbidden("value", "may not be changed in an update."))
        before = old.get("preemptionPolicy")
        return found + fields.immutable("preemptionPolicy", new["preemptionPolicy"], before)


def _validate(obj: Object) -> list[Cause]:
    found = []
    name, value = obj["metadata"].get("name", ""), obj["value"]
    if name.startswith(_PREFIX):
        if why := _system_refusal(obj):
            why = (
                f"priority class names with '{_PREFIX}' prefix are reserved for system use only. error: {why}"
            )
            found.append(fields.forbidden("metadata.name", why))
    elif value > HIGHEST_USER_VALUE:
        why = f"maximum allowed value of a user defined priority is {HIGHEST_USER_VALUE}"
        found.append(fields.forbidden("value", why))
    if obj["preemptionPolicy"] not in (PREEMPT, NEVER):
        found.append(fields.not_supported("preemptionPolicy", obj["preemptionPolicy"], (PREEMPT, NEVER)))
    return found


def _system_refusal(obj: Object) -> str:
    name = obj["metadata"]["name"]
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    value, _ = SYSTEM[name]
    if obj["value"] != value:
        return f"value of {name} PriorityClass must be {value}"
    if obj.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    return ""
