"""What is known of devices while allocations are on their way."""

from typing import Any

from pinnace.scheduler.devices.inventory import CLAIM, CLASS, SLICE, Inventory
from pinnace.scheduler.devices.pools import DeviceId
from unit.scheduler.devices.test_allocator import DRIVER, claim, device, slice_

Object = dict[str, Any]
A, B = DeviceId(DRIVER, "p", "a"), DeviceId(DRIVER, "p", "b")


def allocation(*names: str) -> Object:
    return {
        "devices": {"results": [{"request": "r", "driver": DRIVER, "pool": "p", "device": n} for n in names]}
    }


def stored(name: str = "c", allocated: Object | None = None, uid: str = "u") -> Object:
    obj = claim(name=name)
    obj["metadata"]["uid"] = uid
    return {**obj, "status": {"allocation": allocated} if allocated else {}}


def knowing(*claims: Object) -> Inventory:
    inventory = Inventory()
    inventory.changed(SLICE, None, slice_(device("a"), device("b")))
    for one in claims:
        inventory.changed(CLAIM, None, one)
    return inventory


def test_allocated_claims_take_devices_and_give_them_back() -> None:
    held = stored(allocated=allocation("a"))
    inventory = knowing(held)
    assert inventory.usage.devices == {A}
    inventory.changed(CLAIM, held, stored())
    assert inventory.usage.devices == set()
    inventory.changed(CLAIM, stored(), held)
    inventory.changed(CLAIM, held, None)
    assert inventory.usage.devices == set()


def test_what_is_assumed_counts_until_it_is_stored_or_forgotten() -> None:
    free = stored()
    inventory = knowing(free)
    inventory.assume(free, allocation("a"))
    assert inventory.usage.devices == {A}
    assert inventory.allocation(free) == allocation("a")
    protected = {**free, "metadata": {**free["metadata"], "finalizers": ["x"]}}
    inventory.changed(CLAIM, free, protected)  # a write on the way
    assert inventory.usage.devices == {A}
    inventory.changed(CLAIM, protected, stored(allocated=allocation("a")))
    assert not inventory.forget(free)
    assert inventory.usage.devices == {A}

    other = stored("other")
    inventory.changed(CLAIM, None, other)
    inventory.assume(other, allocation("b"))
    assert inventory.forget(other)
    assert inventory.usage.devices == {A}


def test_an_assumption_ends_with_its_claim() -> None:
    free = stored()
    inventory = knowing(free)
    inventory.assume(free, allocation("a"))
    inventory.changed(CLAIM, free, None)
    assert inventory.usage.devices == set()
    inventory = knowing(free)
    inventory.assume(free, allocation("a"))
    inventory.changed(CLAIM, free, stored(uid="another"))
    assert inventory.usage.devices == set()


def test_a_device_that_is_no_longer_published_stays_taken() -> None:
    inventory = knowing(stored(allocated=allocation("a")))
    whole = slice_(device("a"), device("b"))
    inventory.changed(SLICE, whole, slice_(device("b")))
    assert inventory.usage.devices == {A}
    inventory.changed(SLICE, slice_(device("b")), None)
    assert inventory.usage.devices == {A}


def test_changes_are_told_as_events_and_change_the_version() -> None:
    inventory = Inventory()
    before = inventory.version
    assert inventory.changed(CLASS, None, {"metadata": {"name": "gpu"}}) == ("DeviceClass/Add",)
    assert inventory.changed(CLAIM, stored(), stored()) == ("ResourceClaim/Update",)
    assert inventory.changed(SLICE, slice_(), None) == ("ResourceSlice/Delete",)
    assert inventory.version > before
    assert list(inventory.classes) == ["gpu"]
