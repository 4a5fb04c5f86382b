"""CSIDrivers: what a driver can do and wants to be told."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

FS_GROUP_POLICIES = ("ReadWriteOnceWithFSType", "File", "None")
LIFECYCLE_MODES = ("Persistent", "Ephemeral")
MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS, MIN_UPDATE_SECONDS = 600, 1 << 32, 10
_COUNTED = ("tokenRequests", "requiresRepublish", "seLinuxMount", "nodeAllocatableUpdatePeriodSeconds")
_DEFAULTS = {
    "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
    "seLinuxMount": False, "fsGroupPolicy": FS_GROUP_POLICIES[0],
}  # fmt: skip


class CSIDriverStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for field, value in _DEFAULTS.items():
            spec.setdefault(field, value)
        spec.pop(
            "preventPodSchedulingIfMissing", None
        )  # alpha: its gate, VolumeLimitScaling, is off in v1.36
        spec["volumeLifecycleModes"] = spec.get("volumeLifecycleModes") or ["Persistent"]

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        after, before = new["spec"], old.get("spec") or {}
        if any(after.get(field) != before.get(field) for field in _COUNTED):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj)
        found += validate_driver_name(obj["metadata"].get("name"), "metadata.name")
        return list(dict.fromkeys(found)) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_spec(new["spec"]))
        for field in ("attachRequired", "volumeLifecycleModes"):
            before = (old.get("spec") or {}).get(field)
            found += fields.immutable(f"spec.{field}", new["spec"].get(field), before)
        return found


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    policy = spec.get("fsGroupPolicy")
    if policy not in FS_GROUP_POLICIES:
        yield fields.not_supported("spec.fsGroupPolicy", policy, FS_GROUP_POLICIES)
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in LIFECYCLE_MODES:
            yield fields.not_supported("spec.volumeLifecycleModes", mode, LIFECYCLE_MODES)
    yield from _validate_tokens(spec)
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < MIN_UPDATE_SECONDS:
        why = f"must be greater than or equal to {MIN_UPDATE_SECONDS} seconds"
        yield fields.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, why)
    if spec.get("serviceAccountTokenInSecrets") is not None and not spec.get("tokenRequests"):
        why = "tokenRequests must be configured when serviceAccountTokenInSecrets is set"
        yield fields.invalid("spec.serviceAccountTokenInSecrets", spec["serviceAccountTokenInSecrets"], why)


def _validate_tokens(spec: Mapping[str, Any]) -> Iterator[Cause]:
    audiences: set[str] = set()
    for index, request in enumerate(spec.get("tokenRequests") or ()):
        path, audience = f"spec.tokenRequests[{index}]", request.get("audience") or ""
        if audience in audiences:
            yield fields.duplicate(f"{path}.audience", audience)
        audiences.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < MIN_TOKEN_SECONDS:
            why = "may not specify a duration less than 10 minutes"
            yield fields.invalid(f"{path}.expirationSeconds", seconds, why)
        elif seconds is not None and seconds > MAX_TOKEN_SECONDS:
            why = "may not specify a duration larger than 2^32 seconds"
            yield fields.invalid(f"{path}.expirationSeconds", seconds, why)
