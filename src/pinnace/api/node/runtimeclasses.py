"""RuntimeClasses: which handler of the container runtime runs a pod, what that costs, and where it exists."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.api.core import resource_validation
from pinnace.api.core.container_defaults import round_amounts
from pinnace.api.core.scheduling_validation import validate_tolerations
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class RuntimeClassStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        if overhead := obj.get("overhead"):
            round_amounts(overhead.get("podFixed"))

    def bumps_generation(self, new: Object, old: Object) -> bool:
        return False  # upstream's stays at 1

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        return found + fields.immutable("handler", new.get("handler", ""), old.get("handler", ""))


def _validate(obj: Object) -> Iterator[Cause]:
    handler = obj.get("handler") or ""
    yield from fields.all_invalid("handler", handler, names.dns_label(handler))
    if fixed := (obj.get("overhead") or {}).get("podFixed"):
        yield from resource_validation.validate_requirements({"limits": fixed}, "overhead")
    if scheduling := obj.get("scheduling"):
        yield from metadata.validate_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        yield from _validate_tolerations(scheduling.get("tolerations") or ())


def _validate_tolerations(tolerations: Any) -> Iterator[Cause]:
    path = "scheduling.tolerations"
    yield from validate_tolerations(tolerations, path)
    seen: list[Mapping[str, Any]] = []
    for index, toleration in enumerate(tolerations):
        if toleration in seen:
            yield fields.duplicate(f"{path}[{index}]", toleration)
        seen.append(toleration)
