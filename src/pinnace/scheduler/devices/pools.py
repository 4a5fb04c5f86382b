"""ResourceSlices as pools of devices: only the newest generation of a pool counts, and only when it is whole.

Upstream: https://github.com/kubernetes/dynamic-resource-allocation/blob/master/structured/internal/experimental/pools_experimental.go
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pinnace.api.core.node_affinity import matches_terms
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

Counters = dict[tuple[str, str], int]  # (counter set, counter) -> thousandths


class DeviceId(NamedTuple):
    driver: str
    pool: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)


class Place(NamedTuple):
    """Where a device can be used: on one node, on the nodes that a selector matches, or (both empty) everywhere."""

    node: str = ""
    selector: Mapping[str, Any] | None = None

    def allows(self, node: str, labels: Mapping[str, str]) -> bool:
        if self.node:
            return self.node == node
        terms = (self.selector or {}).get("nodeSelectorTerms")
        return self.selector is None or matches_terms(terms, labels, node)


@dataclass(frozen=True, slots=True)
class Device:
    id: DeviceId
    body: Mapping[str, Any]
    place: Place
    consumes: Counters

    def attribute(self, name: str) -> Any:
        """The value of `domain/name`, with its type; None without one. A driver's own names may lack the domain."""
        attributes = self.body.get("attributes") or {}
        domain, _, own = name.partition("/")
        found = attributes.get(name)
        if found is None and domain == self.id.driver:
            found = attributes.get(own)
        return None if found is None else next(iter(found.items()))


@dataclass(slots=True)
class Pool:
    driver: str
    name: str
    is_whole: bool
    invalid: str = ""  # why it cannot be used
    devices: list[Device] = field(default_factory=list)
    counters: Counters = field(default_factory=dict)


class Pools:
    """All pools of the cluster; `on` picks what one node can use."""

    def __init__(self, slices: Iterable[Object]) -> None:
        groups: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for slice_ in slices:
            spec = slice_["spec"]
            groups[spec["driver"], spec["pool"]["name"]].append(slice_)
        self.all = [_pool(*name, found) for name, found in sorted(groups.items())]
        self.by_id = {device.id: device for pool in self.all for device in pool.devices}
        self._local: dict[str, list[tuple[Pool, Device]]] = defaultdict(list)
        self._elsewhere: list[tuple[Pool, Device]] = []
        for pool in self.all:
            for device in pool.devices:
                found = self._local[device.place.node] if device.place.node else self._elsewhere
                found.append((pool, device))

    def on(self, node: str, labels: Mapping[str, str]) -> Iterator[tuple[Pool, Device]]:
        yield from self._local.get(node, ())
        for pool, device in self._elsewhere:
            if device.place.allows(node, labels):
                yield pool, device


def _pool(driver: str, name: str, slices: list[Object]) -> Pool:
    newest = max((s["spec"]["pool"].get("generation") or 0) for s in slices)
    current = [s for s in slices if (s["spec"]["pool"].get("generation") or 0) == newest]
    wanted = current[0]["spec"]["pool"].get("resourceSliceCount") or 0
    pool = Pool(driver, name, is_whole=len(current) == wanted)
    for slice_ in sorted(current, key=lambda s: str(s["metadata"]["name"])):
        spec = slice_["spec"]
        for holder in spec.get("sharedCounters") or ():
            for counter, amount in (holder.get("counters") or {}).items():
                pool.counters[holder["name"], counter] = quantity.milli(amount["value"])
        for body in spec.get("devices") or ():
            pool.devices.append(_device(DeviceId(driver, name, body["name"]), spec, body))
    names = [device.id.name for device in pool.devices]
    if len(set(names)) != len(names):
        twice = next(one for one in names if names.count(one) > 1)
        pool.invalid = f"duplicate device name {twice}"
    return pool


def _device(identity: DeviceId, spec: Mapping[str, Any], body: Mapping[str, Any]) -> Device:
    where = body if spec.get("perDeviceNodeSelection") else spec
    consumes = {
        (holder["counterSet"], counter): quantity.milli(amount["value"])
        for holder in body.get("consumesCounters") or ()
        for counter, amount in (holder.get("counters") or {}).items()
    }
    place = Place(where.get("nodeName") or "", None if where.get("allNodes") else where.get("nodeSelector"))
    return Device(identity, body, place, consumes)
