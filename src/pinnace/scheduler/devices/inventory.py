"""What the scheduler knows of devices: slices, classes and claims as the API has them, and allocations that it is writing.

An allocation is assumed from the decision until the API shows one, or until it is given back.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cached_property

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resource import pod_claims
from pinnace.scheduler.devices import allocations
from pinnace.scheduler.devices.allocator import Usage
from pinnace.scheduler.devices.matching import Matcher
from pinnace.scheduler.devices.pools import DeviceId, Pools

SLICE, CLASS, CLAIM = "ResourceSlice", "DeviceClass", "ResourceClaim"
Key = tuple[str, str]


class _Devices:
    """What follows from the slices alone."""

    def __init__(self, slices: Mapping[Key, Object]) -> None:
        self._slices = slices
        self.matcher = Matcher()

    @cached_property
    def pools(self) -> Pools:
        return Pools(self._slices.values())


class Inventory:
    def __init__(self) -> None:
        self._objects: dict[str, dict[Key, Object]] = {SLICE: {}, CLASS: {}, CLAIM: {}}
        self._assumed: dict[Key, Object] = {}  # claim -> allocation that is not stored yet
        self._devices = _Devices(self._objects[SLICE])
        self._usage: Usage | None = Usage()
        self.version = 0  # changes with everything here
        self.version_of: Counter[str] = Counter()  # changes with what is taken of a node's own devices
        self.shared_version = 0  # changes with what is taken elsewhere, and with slices and classes

    def changed(self, kind: str, old: Object | None, new: Object | None) -> tuple[str, ...]:
        """Returns the events that this means for waiting pods."""
        obj = new if new is not None else old
        assert obj is not None
        key = meta.key(obj)
        if kind == CLAIM:
            self._replace_claim(key, new)
        else:
            _put(self._objects[kind], key, new)
        if kind == SLICE:
            self._devices, self._usage = _Devices(self._objects[SLICE]), None
        self.shared_version += kind != CLAIM
        self.version += 1
        action = "Add" if old is None else "Delete" if new is None else "Update"
        return (f"{kind}/{action}",)

    def _replace_claim(self, key: Key, new: Object | None) -> None:
        self._count(key, -1)
        before = self._objects[CLAIM].get(key)
        _put(self._objects[CLAIM], key, new)
        is_another = before is not None and new is not None and meta.uid(before) != meta.uid(new)
        if new is None or is_another or pod_claims.allocation(new) is not None:
            self._assumed.pop(key, None)
        self._count(key, +1)

    # --- questions

    @property
    def pools(self) -> Pools:
        return self._devices.pools

    @property
    def matcher(self) -> Matcher:
        return self._devices.matcher

    @property
    def classes(self) -> dict[str, Object]:
        return {name: obj for (_, name), obj in self._objects[CLASS].items()}

    @property
    def usage(self) -> Usage:
        """Devices that claims hold."""
        if self._usage is None:
            self._usage = Usage()
            for key in self._objects[CLAIM]:
                self._count(key, +1)
        return self._usage

    def claim(self, namespace: str, name: str) -> Object | None:
        return self._objects[CLAIM].get((namespace, name))

    def allocation(self, claim: Object) -> Object | None:
        """Stored, or about to be."""
        return pod_claims.allocation(claim) or self._assumed.get(meta.key(claim))

    # --- decisions

    def assume(self, claim: Object, allocation: Object) -> None:
        key = meta.key(claim)
        self._count(key, -1)
        self._assumed[key] = allocation
        self._count(key, +1)
        self.version += 1

    def forget(self, claim: Object) -> bool:
        """True when something was assumed that is not stored."""
        key = meta.key(claim)
        if key not in self._assumed:
            return False
        self._count(key, -1)
        del self._assumed[key]
        self._count(key, +1)
        self.version += 1
        return True

    def _count(self, key: Key, sign: int) -> None:
        claim = self._objects[CLAIM].get(key)
        found = self.allocation(claim) if claim is not None else self._assumed.get(key)
        if self._usage is None or found is None:
            return
        for identity in allocations.devices_in(found):
            self._count_device(self._usage, identity, sign)

    def _count_device(self, usage: Usage, identity: DeviceId, sign: int) -> None:
        device = self.pools.by_id.get(identity)
        if device is not None and device.place.node and not device.consumes:
            self.version_of[device.place.node] += 1
        else:
            self.shared_version += 1
        if device is None:  # no longer published: taken all the same
            (usage.devices.add if sign > 0 else usage.devices.discard)(identity)
        elif sign > 0:
            usage.take(device)
        else:
            usage.give_back(device)


def _put(objects: dict[Key, Object], key: Key, new: Object | None) -> None:
    if new is None:
        objects.pop(key, None)
    else:
        objects[key] = new
