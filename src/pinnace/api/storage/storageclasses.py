"""StorageClasses: how volumes of a class are provisioned."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_parameters
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

DEFAULT_ANNOTATION = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_ANNOTATION = "storageclass.beta.kubernetes.io/is-default-class"
IMMEDIATE, WAIT_FOR_FIRST_CONSUMER = "Immediate", "WaitForFirstConsumer"
RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = (IMMEDIATE, WAIT_FOR_FIRST_CONSUMER)


def is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT_ANNOTATION), annotations.get(BETA_DEFAULT_ANNOTATION))


class StorageClassStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        obj["reclaimPolicy"] = obj.get("reclaimPolicy") or "Delete"
        obj["volumeBindingMode"] = obj.get("volumeBindingMode") or IMMEDIATE

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        for field, empty in (("parameters", {}), ("provisioner", ""), ("reclaimPolicy", "")):
            if (new.get(field) or empty) != (old.get(field) or empty):
                found.append(fields.forbidden(field, f"updates to {field} are forbidden."))
        mode, before = new.get("volumeBindingMode"), old.get("volumeBindingMode")
        found += fields.immutable("volumeBindingMode", mode, before)
        return found + list(_validate_topologies(new))


def _validate(obj: Object) -> Iterator[Cause]:
    provisioner = obj.get("provisioner") or ""
    if not provisioner:
        yield fields.required("provisioner")
    else:
        yield from fields.all_invalid("provisioner", provisioner, names.qualified_name(provisioner.lower()))
    yield from validate_parameters(obj.get("parameters"), "parameters", may_be_empty=True)
    if obj["reclaimPolicy"] not in RECLAIM_POLICIES:
        yield fields.not_supported("reclaimPolicy", obj["reclaimPolicy"], RECLAIM_POLICIES)
    if obj["volumeBindingMode"] not in BINDING_MODES:
        yield fields.not_supported("volumeBindingMode", obj["volumeBindingMode"], BINDING_MODES)
    yield from _validate_topologies(obj)


def _validate_topologies(obj: Object) -> Iterator[Cause]:
    seen: list[Mapping[str, Any]] = []
    for index, term in enumerate(obj.get("allowedTopologies") or ()):
        path = f"allowedTopologies[{index}]"
        yield from _validate_term(term, path)
        if term in seen:
            yield fields.duplicate(f"{path}.matchLabelExpressions", "")
        seen.append(term)


def _validate_term(term: Mapping[str, Any], path: str) -> Iterator[Cause]:
    taken: set[str] = set()
    for index, expression in enumerate(term.get("matchLabelExpressions") or ()):
        here, key = f"{path}.matchLabelExpressions[{index}]", expression.get("key") or ""
        if not expression.get("values"):
            yield fields.required(f"{here}.values")
        given: set[str] = set()
        for number, value in enumerate(expression.get("values") or ()):
            if value in given:
                yield fields.duplicate(f"{here}.values[{number}]", value)
            given.add(value)
        yield from fields.all_invalid(f"{here}.key", key, names.qualified_name(key))
        if key in taken:
            yield fields.duplicate(f"{here}.key", key)
        taken.add(key)
