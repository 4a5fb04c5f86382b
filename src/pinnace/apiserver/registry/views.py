"""Another version of objects that are stored once: events.k8s.io/v1 of core events, autoscaling/v1 of autoscalers.

Defaults, admission and rules see the object as the client wrote it; only what is stored is converted.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import orjson

from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.storage.item import Item

Object = dict[str, Any]

# from the stored version, to the stored version
_CONVERSIONS: dict[GVR, tuple[str, str]] = {
    r.EVENTS_V1: ("core.events:to_events_v1", "core.events:to_core_v1"),
    r.HORIZONTAL_POD_AUTOSCALERS_V1: (
        "autoscaling.conversion:to_v1",
        "autoscaling.horizontalpodautoscalers:stored_form",
    ),
}


def _load(where: str) -> Callable[[Object], Object]:
    module, _, name = where.partition(":")
    convert: Callable[[Object], Object] = getattr(import_module(f"pinnace.api.{module}"), name)
    return convert


class ViewRegistry(Registry):
    """Takes and gives the version of its row."""

    converts = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._from_stored, self._to_stored = map(_load, _CONVERSIONS[self.row.gvr])

    def served_object(self, item: Item) -> Object:
        return self._from_stored(item.obj)

    def served(self, item: Item) -> bytes:
        return orjson.dumps(self.served_object(item))

    def to_stored(self, obj: Object) -> Object:
        return self._to_stored(obj)

    def from_stored(self, obj: Object) -> Object:
        return self._from_stored(obj)
