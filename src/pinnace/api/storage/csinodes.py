"""CSINodes: which drivers a node has, and what it is called by them."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_driver_name
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

MAX_NODE_ID = 256


class CSINodeStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("drivers", [])

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_drivers(obj["spec"]["drivers"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_drivers(new["spec"]["drivers"]))
        before = {driver.get("name"): driver for driver in (old.get("spec") or {}).get("drivers") or ()}
        for driver in new["spec"]["drivers"]:
            same = before.get(driver.get("name"))
            if same is not None and _but_for_count(driver) != _but_for_count(same):
                found.append(fields.invalid("CSINodeDriver", driver, fields.IMMUTABLE))
        return found


def _but_for_count(driver: Mapping[str, Any]) -> dict[str, Any]:
    """How many volumes a node can attach may change."""
    return {key: value for key, value in driver.items() if key != "allocatable"}


def _validate_drivers(drivers: list[Mapping[str, Any]]) -> Iterator[Cause]:
    taken: set[str] = set()
    for index, driver in enumerate(drivers):
        path, name = f"spec.drivers[{index}]", driver.get("name") or ""
        yield from validate_driver_name(name, f"{path}.name")
        if name in taken:
            yield fields.duplicate(f"{path}.name", name)
        taken.add(name)
        node_id = driver.get("nodeID") or ""
        if not node_id:
            yield fields.required(f"{path}.nodeID")
        elif len(node_id) > MAX_NODE_ID:
            yield fields.invalid(f"{path}.nodeID", node_id, f"must be {MAX_NODE_ID} characters or less")
        count = (driver.get("allocatable") or {}).get("count")
        yield from fields.non_negative(f"{path}.allocatable.count", count)
        yield from _validate_keys(driver.get("topologyKeys") or (), f"{path}.topologyKeys")


def _validate_keys(keys: Any, path: str) -> Iterator[Cause]:
    taken: set[str] = set()
    for index, key in enumerate(keys):
        if not key:
            yield fields.required(path)
        if key in taken:
            yield fields.duplicate(path, key)
        taken.add(key)
        yield from fields.all_invalid(f"{path}[{index}]", key, names.qualified_name(key))
