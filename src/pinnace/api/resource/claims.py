"""ResourceClaims and their templates: devices that pods ask for. Specs are immutable; the status is the allocation."""

import re
from collections.abc import Mapping
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.api.core.scheduling_validation import validate_node_selector
from pinnace.api.meta import Object
from pinnace.api.resource import claim_rules
from pinnace.api.resource import device_rules as rules
from pinnace.api.resource.device_rules import Found
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

MAX_RESERVED, MAX_RESULTS, MAX_DATA = 256, 32, 10 * 1024
_UID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SOURCES = ("FromClaim", "FromClass")
Part = Mapping[str, Any]


class ResourceClaimStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        claim_rules.set_defaults(obj.setdefault("spec", {}))
        obj.setdefault("status", {})

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(claim_rules.validate_spec(obj["spec"], "spec"))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + fields.immutable(
            "spec", new["spec"], old.get("spec") or {}
        )

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(_validate_status(new, old))


class ResourceClaimTemplateStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        claim_rules.set_defaults(obj.setdefault("spec", {}).setdefault("spec", {}))

    def validate(self, obj: Object) -> list[Cause]:
        own = obj["spec"].get("metadata") or {}
        found = super().validate(obj) + metadata.validate_labels(own.get("labels"), "spec.metadata.labels")
        found += metadata.validate_annotations(own.get("annotations"), "spec.metadata.annotations")
        return found + list(claim_rules.validate_spec(obj["spec"]["spec"], "spec.spec"))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + fields.immutable(
            "spec", new["spec"], old.get("spec") or {}
        )


def _device(part: Part) -> tuple[Any, ...]:
    return tuple(part.get(field) for field in ("driver", "pool", "device", "shareID"))


def _validate_status(new: Object, old: Object) -> Found:
    status, before = new.get("status") or {}, old.get("status") or {}
    known = claim_rules.request_names(new.get("spec") or {})
    allocation, reserved = status.get("allocation"), status.get("reservedFor")
    yield from rules.each_once(
        reserved, MAX_RESERVED, _consumer, "status.reservedFor", lambda consumer: consumer.get("uid")
    )
    results = ((allocation or {}).get("devices") or {}).get("results") or ()
    allocated = {_device(result) for result in results}
    yield from rules.each_once(
        status.get("devices"),
        1 << 30,
        lambda one, at: _device_status(one, at, allocated),
        "status.devices",
        _device,
    )
    if reserved and allocation is None:
        yield fields.forbidden("status.reservedFor", "may not be specified when `allocated` is not set")
    elif "deletionTimestamp" in new["metadata"] and any(
        consumer not in (before.get("reservedFor") or ()) for consumer in reserved or ()
    ):
        why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        yield fields.forbidden("status.reservedFor", why)
    if allocation is not None and before.get("allocation") is not None:
        yield from fields.immutable("status.allocation", allocation, before["allocation"])
    elif allocation is not None:
        yield from _validate_allocation(allocation, known)


def _consumer(consumer: Part, path: str) -> Found:
    for field in ("resource", "name", "uid"):
        if not consumer.get(field):
            yield fields.required(f"{path}.{field}")


def _validate_allocation(allocation: Part, known: claim_rules.RequestNames) -> Found:
    devices, path = allocation.get("devices") or {}, "status.allocation.devices"
    yield from rules.each(
        devices.get("results"), MAX_RESULTS, lambda one, at: _result(one, at, known), f"{path}.results"
    )
    yield from rules.each(
        devices.get("config"),
        2 * rules.MAX_CONFIGS,
        lambda one, at: _config(one, at, known),
        f"{path}.config",
    )
    if allocation.get("nodeSelector") is not None:
        yield from validate_node_selector(allocation["nodeSelector"], "status.allocation.nodeSelector")


def _result(result: Part, path: str, known: claim_rules.RequestNames) -> Found:
    yield from claim_rules.request_reference(result.get("request") or "", f"{path}.request", known)
    yield from validate_driver_name(result.get("driver"), f"{path}.driver")
    yield from rules.pool_name(result.get("pool"), f"{path}.pool")
    yield from rules.label(result.get("device"), f"{path}.device")
    yield from rules.tolerations(result.get("tolerations"), f"{path}.tolerations")
    share = result.get("shareID")
    if share is not None and not _UID.fullmatch(share):
        why = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"
        yield fields.invalid(f"{path}.shareID", share, why)


def _config(config: Part, path: str, known: claim_rules.RequestNames) -> Found:
    source = config.get("source") or ""
    if not source:
        yield fields.required(f"{path}.source")
    elif source not in SOURCES:
        yield fields.not_supported(f"{path}.source", source, SOURCES)
    yield from claim_rules.configuration(config, path, known)


def _device_status(status: Part, path: str, allocated: set[tuple[Any, ...]]) -> Found:
    yield from validate_driver_name(status.get("driver"), f"{path}.driver")
    yield from rules.pool_name(status.get("pool"), f"{path}.pool")
    yield from rules.label(status.get("device"), f"{path}.device")
    if _device(status) not in allocated:
        shown = "/".join(str(part) for part in _device(status) if part)
        yield fields.invalid(path, shown, "must be an allocated device in the claim")
    data = status.get("data")
    if data is not None and not isinstance(data, dict):
        yield fields.invalid(f"{path}.data", "<value omitted>", "must be a valid JSON object")
    network = status.get("networkData") or {}
    if len(network.get("interfaceName") or "") > 256:
        yield fields.too_long(f"{path}.networkData.interfaceName", 256)
    if len(network.get("hardwareAddress") or "") > 128:
        yield fields.too_long(f"{path}.networkData.hardwareAddress", 128)
    seen: set[str] = set()
    for index, ip in enumerate(network.get("ips") or ()):
        here = f"{path}.networkData.ips[{index}]"
        yield from fields.all_invalid(here, ip, names.cidr(ip))
        if ip in seen:
            yield fields.duplicate(here, ip)
        seen.add(ip)
