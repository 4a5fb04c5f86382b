"""APIService: a group and version, and the Service that serves it; without one the API server itself does.

Upstream: https://github.com/kubernetes/kube-aggregator/blob/master/pkg/apis/apiregistration/validation/validation.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

AVAILABLE = "Available"
DEFAULT_PORT = 443
MOST_GROUP_PRIORITY, MOST_VERSION_PRIORITY = 20_000, 1_000
LOCAL = {
    "type": AVAILABLE, "status": "True", "reason": "Local", "message": "Local APIServices are always available",
}  # fmt: skip


def is_local(obj: Mapping[str, Any]) -> bool:
    return not (obj.get("spec") or {}).get("service")


def availability(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Its condition Available."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == AVAILABLE), None)


def is_available(obj: Mapping[str, Any]) -> bool:
    condition = availability(obj)
    return condition is not None and condition.get("status") == "True"


def with_availability(obj: Object, condition: Mapping[str, Any], now: str) -> Object:
    """A copy of the object with this condition; the time of transition moves only with the status."""
    before = availability(obj)
    is_same = before is not None and before.get("status") == condition["status"]
    since = before.get("lastTransitionTime") if is_same and before is not None else now
    status = obj.get("status") or {}
    others = [one for one in status.get("conditions") or () if one.get("type") != AVAILABLE]
    return {**obj, "status": {**status, "conditions": [*others, {**condition, "lastTransitionTime": since}]}}


class APIServiceStrategy(Strategy):
    allows_create_on_update = True

    def set_defaults(self, obj: Object) -> None:
        service = (obj.get("spec") or {}).get("service")
        if service and service.get("port") is None:
            service["port"] = DEFAULT_PORT

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        if is_local(obj):  # the registry stamps the time
            obj["status"] = {"conditions": [dict(LOCAL)]}

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate(new))


def _validate(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    group, version = spec.get("group") or "", spec.get("version") or ""
    wanted = f"{version}.{group}"
    if obj["metadata"].get("name") != wanted:
        why = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        yield fields.invalid("metadata.name", obj["metadata"].get("name", ""), why)
    if group:
        yield from fields.all_invalid("spec.group", group, names.dns_subdomain(group))
    elif version != "v1":
        yield fields.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    yield from fields.all_invalid("spec.version", version, names.dns_1035_label(version))
    for field, most in (
        ("groupPriorityMinimum", MOST_GROUP_PRIORITY),
        ("versionPriority", MOST_VERSION_PRIORITY),
    ):
        value = spec.get(field) or 0
        if not 0 < value <= most:
            yield fields.invalid(f"spec.{field}", value, f"must be positive and less than {most}")
    yield from _validate_service(spec)


def _validate_service(spec: Mapping[str, Any]) -> Iterator[Cause]:
    service, bundle = spec.get("service"), spec.get("caBundle") or ""
    insecure = bool(spec.get("insecureSkipTLSVerify"))
    if not service:
        if bundle:
            why = "local APIServices may not have a caBundle"
            yield fields.invalid("spec.caBundle", f"{len(bundle) * 3 // 4} bytes", why)
        if insecure:
            why = "local APIServices may not have insecureSkipTLSVerify"
            yield fields.invalid("spec.insecureSkipTLSVerify", True, why)
        return
    for field in ("namespace", "name"):
        if not service.get(field):
            yield fields.required(f"spec.service.{field}")
    port = service.get("port") or 0
    for message in names.port_number(port):
        yield fields.invalid("spec.service.port", port, f"port is not valid: {message}")
    if insecure and bundle:
        yield fields.invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")
