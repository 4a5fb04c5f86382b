"""ResourceSlices: the devices of a driver, published for one node, some, or all."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.container_defaults import canonical
from pinnace.api.core.scheduling_validation import validate_node_selector
from pinnace.api.meta import Object
from pinnace.api.resource import capacity_rules
from pinnace.api.resource import device_rules as rules
from pinnace.api.resource.device_rules import Found
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

MAX_DEVICES, MAX_DEVICES_ADVANCED, MAX_COUNTER_SETS, MAX_COUNTERS = 128, 64, 8, 32
MAX_ATTRIBUTES, MAX_VALUE, MAX_TAINTS, MAX_CONSUMED, MAX_BINDING = 32, 64, 16, 2, 4
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
Part = Mapping[str, Any]


class ResourceSliceStrategy(Strategy):
    tracks_generation = True
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "spec.nodeName", "spec.driver"))

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        for device in spec.get("devices") or ():
            for capacity in (device.get("capacity") or {}).values():
                if "value" in capacity:
                    capacity["value"] = canonical(capacity["value"])
        for counter in _all_counters(spec):
            if "value" in counter:
                counter["value"] = canonical(counter["value"])

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        _drop_alpha(obj["spec"])

    def canonicalize(self, obj: Object) -> None:
        add_taint_times(obj, obj["metadata"]["creationTimestamp"])

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        _drop_alpha(new["spec"])

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_spec(new["spec"]))
        after, before = new["spec"], old.get("spec") or {}
        pools = [(spec.get("pool") or {}).get("name") for spec in (after, before)]
        found += fields.immutable("spec.pool.name", *pools)
        for field in ("driver", "nodeName"):
            found += fields.immutable(f"spec.{field}", after.get(field), before.get(field))
        return found

    def field_labels(self, obj: Object) -> dict[str, str]:
        spec = obj.get("spec") or {}
        own = {f"spec.{field}": spec.get(field) or "" for field in ("nodeName", "driver")}
        return {**super().field_labels(obj), **own}


def add_taint_times(obj: Object, now: str) -> None:
    """Taints of devices that do not say since when are there since now."""
    for device in (obj.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            taint.setdefault("timeAdded", now)


def _drop_alpha(spec: dict[str, Any]) -> None:
    """Fields of features that are off, as upstream drops them."""
    for device in spec.get("devices") or ():
        device.pop("nodeAllocatableResourceMappings", None)


def _all_counters(spec: Part) -> Iterator[dict[str, Any]]:
    for holder in spec.get("sharedCounters") or ():
        yield from (holder.get("counters") or {}).values()
    for device in spec.get("devices") or ():
        for holder in device.get("consumesCounters") or ():
            yield from (holder.get("counters") or {}).values()


def _validate_spec(spec: Part) -> Found:
    yield from validate_driver_name(spec.get("driver"), "spec.driver")
    yield from _validate_pool(spec.get("pool") or {})
    yield from _validate_place(spec)
    devices, shared = spec.get("devices"), spec.get("sharedCounters")
    if devices is not None and shared is not None:
        yield fields.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices or ())
    per_device = bool(spec.get("perDeviceNodeSelection"))
    yield from rules.each_once(
        devices, MAX_DEVICES_ADVANCED if advanced else MAX_DEVICES, lambda one, at: _validate_device(one, at, per_device),
        "spec.devices", lambda device: device.get("name"),
    )  # fmt: skip
    yield from rules.each_once(
        shared, MAX_COUNTER_SETS, _validate_counter_set, "spec.sharedCounters", lambda one: one.get("name")
    )


def _validate_pool(pool: Part) -> Found:
    yield from rules.pool_name(pool.get("name"), "spec.pool.name")
    count, generation = pool.get("resourceSliceCount") or 0, pool.get("generation") or 0
    if count <= 0:
        yield fields.invalid("spec.pool.resourceSliceCount", count, "must be greater than zero")
    if generation < 0:
        yield fields.invalid("spec.pool.generation", generation, "must be greater than or equal to zero")


def _validate_place(spec: Part) -> Found:
    chosen = [field for field in _PLACES if spec.get(field) not in (None, False, "")]
    for field in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(field) is False:
            yield fields.invalid(f"spec.{field}", False, "must be either unset or set to true")
    if spec.get("nodeName") == "":
        yield fields.invalid("spec.nodeName", "", "must be either unset or set to a non-empty string")
    elif spec.get("nodeName"):
        node = spec["nodeName"]
        yield from fields.all_invalid("spec.nodeName", node, names.dns_subdomain(node))
    if (selector := spec.get("nodeSelector")) is not None:
        yield from validate_node_selector(selector, "spec.nodeSelector")
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            path = "spec.nodeSelector.nodeSelectorTerms"
            yield fields.invalid(path, terms, "must have exactly one node selector term")
    listed = ", ".join(f"`{field}`" for field in _PLACES)
    if not chosen:
        yield fields.required("spec", f"exactly one of {listed} is required")
    elif len(chosen) > 1:
        shown = "{" + ", ".join(f"`{field}`" for field in chosen) + "}"
        yield fields.invalid(
            "spec", shown, f"exactly one of {listed} is required, but multiple fields are set"
        )


def _validate_device(device: Part, path: str, per_device: bool) -> Found:
    yield from rules.label(device.get("name"), f"{path}.name")
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    total = len(attributes) + len(capacity)
    if total > MAX_ATTRIBUTES:
        why = f"the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}"
        yield fields.invalid(path, total, why)
    for name, attribute in attributes.items():
        here = fields.key(f"{path}.attributes", name)
        yield from rules.qualified_name(name, here)
        yield from _validate_attribute(attribute, here)
    for name, amount in capacity.items():
        here = fields.key(f"{path}.capacity", name)
        yield from rules.qualified_name(name, here)
        if amount.get("requestPolicy") is not None:
            if device.get("allowMultipleAllocations"):
                yield from capacity_rules.validate_policy(amount, f"{here}.requestPolicy")
            else:
                yield fields.forbidden(f"{here}.requestPolicy", "allowMultipleAllocations must be true")
    yield from rules.each(device.get("taints"), MAX_TAINTS, _validate_taint, f"{path}.taints")
    yield from rules.each_once(
        device.get("consumesCounters"), MAX_CONSUMED, _validate_consumption, f"{path}.consumesCounters",
        lambda one: one.get("counterSet"),
    )  # fmt: skip
    yield from _validate_device_place(device, path, per_device)
    yield from _validate_binding(device, path)


def _validate_attribute(attribute: Part, path: str) -> Found:
    given = [field for field in ("bool", "int", "string", "version") if attribute.get(field) is not None]
    text = attribute.get("string")
    if text is not None and len(text) > MAX_VALUE:
        yield fields.too_long(f"{path}.string", MAX_VALUE)
    version = attribute.get("version")
    if version is not None:
        if not _VERSION.fullmatch(version):
            why = "must be a string compatible with semver.org spec 2.0.0"
            yield fields.invalid(f"{path}.version", version, why)
        if len(version) > MAX_VALUE:
            yield fields.too_long(f"{path}.version", MAX_VALUE)
    if len(given) != 1:
        yield fields.invalid(path, attribute if given else "", "exactly one value must be specified")


def _validate_taint(taint: Part, path: str) -> Found:
    key, value, effect = (taint.get(field) or "" for field in ("key", "value", "effect"))
    yield from fields.all_invalid(f"{path}.key", key, names.qualified_name(key))
    yield from fields.all_invalid(f"{path}.value", value, names.label_value(value))
    if not effect:
        yield fields.required(f"{path}.effect")
    elif effect not in rules.EFFECTS:
        yield fields.not_supported(f"{path}.effect", effect, rules.EFFECTS)


def _validate_counters(holder: Part, path: str) -> Found:
    counters = holder.get("counters") or {}
    if not counters:
        yield fields.required(f"{path}.counters")
    elif len(counters) > MAX_COUNTERS:
        yield fields.too_many(f"{path}.counters", len(counters), MAX_COUNTERS)
    else:
        for name in counters:
            yield from rules.label(name, f"{path}.counters")


def _validate_counter_set(counters: Part, path: str) -> Found:
    yield from rules.label(counters.get("name"), f"{path}.name")
    yield from _validate_counters(counters, path)


def _validate_consumption(consumption: Part, path: str) -> Found:
    yield from rules.label(consumption.get("counterSet"), f"{path}.counterSet")
    yield from _validate_counters(consumption, path)


def _validate_device_place(device: Part, path: str, per_device: bool) -> Found:
    chosen = [field for field in _PLACES[:3] if device.get(field) is not None]
    if not per_device:
        if chosen:
            why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"
            yield fields.invalid(path, None, why)
        return
    why = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec"
    if not chosen:
        yield fields.required(path, why)
    elif len(chosen) > 1:
        shown = "{" + ", ".join(f"`{field}`" for field in chosen) + "}"
        yield fields.invalid(path, shown, why)
    if device.get("nodeSelector") is not None:
        yield from validate_node_selector(device["nodeSelector"], f"{path}.nodeSelector")


def _validate_binding(device: Part, path: str) -> Found:
    conditions = device.get("bindingConditions") or ()
    failures = device.get("bindingFailureConditions") or ()
    for field, listed in (("bindingConditions", conditions), ("bindingFailureConditions", failures)):
        if len(listed) > MAX_BINDING:
            yield fields.too_many(f"{path}.{field}", len(listed), MAX_BINDING)
        for index, kind in enumerate(listed):
            yield from fields.all_invalid(f"{path}.{field}[{index}]", kind, names.qualified_name(kind))
    if conditions and not failures:
        why = "bindingFailureConditions are required to use bindingConditions"
        yield fields.invalid(f"{path}.bindingFailureConditions", list(failures), why)
    elif failures and not conditions:
        why = "bindingConditions are required to use bindingFailureConditions"
        yield fields.invalid(f"{path}.bindingConditions", list(conditions), why)
