"""Events: stored once, in the core/v1 shape; events.k8s.io/v1 is a view of the same objects. Old ones expire."""

from typing import Any

import orjson

from pinnace.api.core import events
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.storage.item import Item

Object = dict[str, Any]


class EventsV1Registry(Registry):
    """Takes and gives events.k8s.io/v1."""

    converts = True

    def served_object(self, item: Item) -> Object:
        return events.to_events_v1(item.obj)

    def served(self, item: Item) -> bytes:
        return orjson.dumps(self.served_object(item))

    def to_stored(self, obj: Object) -> Object:
        return events.to_core_v1(obj)

    def from_stored(self, obj: Object) -> Object:
        return events.to_events_v1(obj)
