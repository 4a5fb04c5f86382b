"""Which devices a claim gets."""

from typing import Any

import pytest

from pinnace.scheduler.devices import allocations, requests
from pinnace.scheduler.devices.allocator import MOST_RESULTS, Usage, allocate
from pinnace.scheduler.devices.matching import Matcher
from pinnace.scheduler.devices.pools import DeviceId, Pools
from pinnace.scheduler.devices.requests import CannotAllocate

Object = dict[str, Any]
DRIVER = "d.example.com"
NODE, LABELS = "n1", {"zone": "a"}


def device(name: str, **body: Any) -> Object:
    """Plain values become attributes of the driver."""
    kinds: dict[type, str] = {str: "string", bool: "bool", int: "int"}
    raw = {
        key: body.pop(key)
        for key in (
            "taints",
            "consumesCounters",
            "capacity",
            "nodeName",
            "attributes",
            "allowMultipleAllocations",
        )
        if key in body
    }
    attributes = {key: {kinds[type(value)]: value} for key, value in body.items()}
    return {"name": name, "attributes": attributes, **raw}


def slice_(
    *devices: Object, pool: str = "p", generation: int = 1, count: int = 1, name: str = "", **where: Any
) -> Object:
    spec: Object = {
        "driver": DRIVER,
        "pool": {"name": pool, "generation": generation, "resourceSliceCount": count},
    }
    spec |= where or {"nodeName": NODE}
    if devices:
        spec["devices"] = list(devices)
    return {"metadata": {"name": name or f"{pool}-{generation}"}, "spec": spec}


def ask(name: str = "r", count: int = 1, *selectors: str, **more: Any) -> Object:
    exactly = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count, **more}
    if more.get("allocationMode") == "All":
        del exactly["count"]
    if selectors:
        exactly["selectors"] = [{"cel": {"expression": one}} for one in selectors]
    return {"name": name, "exactly": exactly}


def first_of(name: str, *alternatives: Object) -> Object:
    return {"name": name, "firstAvailable": [{"name": one["name"], **one["exactly"]} for one in alternatives]}


def claim(*asked: Object, constraints: Any = (), config: Any = (), name: str = "c") -> Object:
    devices = {"requests": list(asked), "constraints": list(constraints), "config": list(config)}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"devices": devices}}


def device_class(*expressions: str, **spec: Any) -> Object:
    return {"spec": {"selectors": [{"cel": {"expression": one}} for one in expressions], **spec}}


CLASSES = {"gpu": device_class(), "odd": device_class('device.attributes["d.example.com"].nothing')}


def search(
    slices: list[Object], *claims: Object, taken: tuple[str, ...] = (), classes: Any = None
) -> list[list[str]] | None:
    """Names of the devices of each claim."""
    pools = Pools(slices)
    usage = Usage([pools.by_id[DeviceId(DRIVER, "p", name)] for name in taken])
    wishes = [requests.read(one, classes or CLASSES) for one in claims]
    before = set(usage.devices)
    found = allocate(wishes, list(pools.on(NODE, LABELS)), usage, Matcher())
    assert usage.devices == before
    return None if found is None else [[one.device.id.name for one in chosen] for chosen in found]


def test_as_many_devices_as_asked() -> None:
    slices = [slice_(device("a"), device("b"), device("c"))]
    assert search(slices, claim(ask(count=2))) == [["a", "b"]]
    assert search(slices, claim(ask(count=4))) is None


def test_devices_in_use_and_those_of_other_claims_are_not_given_twice() -> None:
    slices = [slice_(device("a"), device("b"), device("c"))]
    assert search(slices, claim(ask()), claim(ask()), taken=("a",)) == [["b"], ["c"]]
    assert search(slices, claim(ask()), claim(ask()), taken=("a", "b")) is None


def test_selectors_of_class_and_request_must_hold() -> None:
    slices = [
        slice_(device("a", model="x", size=1), device("b", model="y", size=9), device("c", model="x", size=9))
    ]
    classes = {"gpu": device_class('device.attributes["d.example.com"].model == "x"')}
    wish = claim(ask("r", 1, 'device.attributes["d.example.com"].size > 5'))
    assert search(slices, wish, classes=classes) == [["c"]]


def test_capacity_is_a_quantity() -> None:
    slices = [
        slice_(
            device("a", capacity={"memory": {"value": "1Gi"}}),
            device("b", capacity={"memory": {"value": "8Gi"}}),
        )
    ]
    wish = claim(ask("r", 1, 'device.capacity["d.example.com"].memory.compareTo(quantity("4Gi")) >= 0'))
    assert search(slices, wish) == [["b"]]


def test_a_selector_that_fails_is_told() -> None:
    with pytest.raises(
        CannotAllocate, match=r"request r: device d\.example\.com/p/a: CEL runtime error: .*no such key"
    ):
        search([slice_(device("a"))], claim(ask(deviceClassName="odd")))


def test_a_class_that_is_not_there_is_told() -> None:
    with pytest.raises(CannotAllocate, match="request r: device class none does not exist"):
        search([slice_(device("a"))], claim(ask(deviceClassName="none")))


def test_a_choice_that_leads_nowhere_is_taken_back() -> None:
    slices = [slice_(device("a", model="x"), device("b", model="y"))]
    only_x = 'device.attributes["d.example.com"].model == "x"'
    assert search(slices, claim(ask("any"), ask("x", 1, only_x))) == [["b", "a"]]
    assert search(slices, claim(ask("any")), claim(ask("x", 1, only_x))) == [["b"], ["a"]]


def test_the_first_alternative_that_is_available() -> None:
    slices = [slice_(device("small", size=1), device("big", size=9))]
    big = ask("big", 1, 'device.attributes["d.example.com"].size > 5')
    wish = claim(first_of("r", big, ask("any")))
    assert search(slices, wish) == [["big"]]
    assert search(slices, wish, taken=("big",)) == [["small"]]


def test_all_devices_must_be_free_and_there_must_be_one() -> None:
    every = claim(ask(allocationMode="All"))
    slices = [slice_(device("a"), device("b"))]
    assert search(slices, every) == [["a", "b"]]
    assert search(slices, every, taken=("b",)) is None
    assert search([slice_(nodeName="other")], every) is None
    assert search([slice_(*(device(f"d{i}") for i in range(MOST_RESULTS + 1)))], every) is None


def test_administrators_get_devices_that_are_in_use_and_take_nothing_away() -> None:
    slices = [slice_(device("a"))]
    assert search(slices, claim(ask(adminAccess=True)), claim(ask())) == [["a"], ["a"]]
    assert search(slices, claim(ask(adminAccess=True)), taken=("a",)) == [["a"]]


@pytest.mark.parametrize("name", ["d.example.com/numa", "numa.example.com/id"])
def test_devices_that_must_agree_on_an_attribute(name: str) -> None:
    key = "numa" if name.startswith("d.") else name
    slices = [slice_(device("a", **{key: 1}), device("b", **{key: 2}), device("c"), device("d", **{key: 2}))]
    together = claim(ask("r", 2), constraints=[{"matchAttribute": name, "requests": ["r"]}])
    assert search(slices, together) == [["b", "d"]]
    apart = claim(ask("r", 2), constraints=[{"distinctAttribute": name}])
    assert search(slices, apart) == [["a", "b"]]
    across = claim(ask("r"), ask("s"), constraints=[{"matchAttribute": name}])
    assert search(slices, across) == [["b", "d"]]


def test_values_of_different_types_do_not_agree() -> None:
    slices = [slice_(device("a", numa=1), device("b", numa="1"))]
    assert search(slices, claim(ask("r", 2), constraints=[{"matchAttribute": f"{DRIVER}/numa"}])) is None


def test_taints_keep_devices_from_those_who_do_not_tolerate_them() -> None:
    taint = {"key": "broken", "value": "yes", "effect": "NoSchedule"}
    slices = [slice_(device("a", taints=[taint]), device("b", taints=[{**taint, "effect": "None"}]))]
    assert search(slices, claim(ask())) == [["b"]]
    assert search(slices, claim(ask(tolerations=[{"operator": "Exists"}]))) == [["a"]]
    wrong = {"key": "broken", "operator": "Equal", "value": "no"}
    assert search(slices, claim(ask(tolerations=[wrong]))) == [["b"]]


def test_counters_that_devices_share() -> None:
    def part(name: str, amount: str) -> Object:
        return device(
            name, consumesCounters=[{"counterSet": "gpu", "counters": {"memory": {"value": amount}}}]
        )

    shared = slice_(
        name="counters",
        count=2,
        sharedCounters=[{"name": "gpu", "counters": {"memory": {"value": "8Gi"}}}],
        nodeName=NODE,
    )
    slices = [shared, slice_(part("whole", "8Gi"), part("half", "4Gi"), part("other", "4Gi"), count=2)]
    assert search(slices, claim(ask())) == [["whole"]]
    assert search(slices, claim(ask(count=2))) == [["half", "other"]]
    assert search(slices, claim(ask()), taken=("half",)) == [["other"]]
    assert search(slices, claim(ask()), taken=("whole",)) is None


def test_only_the_newest_generation_counts_and_only_when_it_is_whole() -> None:
    old, new = slice_(device("old")), slice_(device("new"), generation=2)
    assert search([old, new], claim(ask())) == [["new"]]
    half = slice_(device("half"), generation=3, count=2)
    assert search([old, new, half], claim(ask())) is None
    assert search([old, half], claim(ask(allocationMode="All"))) is None


def test_a_pool_with_a_name_twice_is_not_used() -> None:
    slices = [slice_(device("a"), count=2, name="x"), slice_(device("a"), count=2, name="y")]
    assert search(slices, claim(ask())) is None
    assert Pools(slices).all[0].invalid == "duplicate device name a"


@pytest.mark.parametrize(
    ("where", "is_there"),
    [
        ({"nodeName": "n1"}, True),
        ({"nodeName": "n2"}, False),
        ({"allNodes": True}, True),
        (
            {
                "nodeSelector": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                    ]
                }
            },
            True,
        ),
        (
            {
                "nodeSelector": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
                    ]
                }
            },
            False,
        ),
    ],
)
def test_where_devices_can_be_used(where: Object, is_there: bool) -> None:
    assert (search([slice_(device("a"), **where)], claim(ask())) is not None) is is_there


def test_every_device_may_say_where_it_is() -> None:
    slices = [slice_(device("a", nodeName="n2"), device("b", nodeName="n1"), perDeviceNodeSelection=True)]
    assert search(slices, claim(ask())) == [["b"]]


def test_devices_that_are_shared_in_parts_are_left_out() -> None:
    slices = [slice_(device("a", allowMultipleAllocations=True), device("b"))]
    assert search(slices, claim(ask())) == [["b"]]
    with pytest.raises(CannotAllocate, match="part of a device's capacity are not supported"):
        search(slices, claim(ask(capacity={"requests": {"memory": "1Gi"}})))


def test_a_search_without_end_is_given_up() -> None:
    slices = [slice_(*(device(f"d{i}", a=i, b=i % 7) for i in range(60)))]
    asked = [ask(f"r{i}") for i in range(20)]
    constraints = [{"distinctAttribute": f"{DRIVER}/a"}, {"matchAttribute": f"{DRIVER}/b"}]
    with pytest.raises(CannotAllocate, match="no allocation found within"):
        search(slices, claim(*asked, constraints=constraints))


# -- the allocation ------------------------------------------------------------------------------------------------
def allocation(slices: list[Object], wanted: Object, classes: Any = None) -> Object:
    pools = Pools(slices)
    wish = requests.read(wanted, classes or CLASSES)
    found = allocate([wish], list(pools.on(NODE, LABELS)), Usage(), Matcher())
    assert found is not None
    return allocations.allocation_of(wish, found[0], NODE)


def test_results_name_request_and_device() -> None:
    made = allocation([slice_(device("a"))], claim(first_of("r", ask("x", adminAccess=True))))
    assert made["devices"]["results"] == [
        {"request": "r/x", "driver": DRIVER, "pool": "p", "device": "a", "adminAccess": True}
    ]
    assert allocations.devices_in(made) == []
    made = allocation([slice_(device("a"))], claim(ask()))
    assert allocations.devices_in(made) == [DeviceId(DRIVER, "p", "a")]


def test_an_allocation_says_where_it_can_be_used() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    local = allocation([slice_(device("a"))], claim(ask()))
    assert local["nodeSelector"] == {"nodeSelectorTerms": [{"matchFields": [field]}]}
    assert allocations.is_usable_on(local, "n1", {})
    assert not allocations.is_usable_on(local, "n2", {})
    selector = {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    }
    zonal = allocation([slice_(device("a"), nodeSelector=selector)], claim(ask()))
    assert zonal["nodeSelector"] == selector
    assert "nodeSelector" not in allocation([slice_(device("a"), allNodes=True)], claim(ask()))


def test_configuration_of_class_and_claim() -> None:
    def opaque(value: str) -> Object:
        return {"opaque": {"driver": DRIVER, "parameters": {"v": value}}}

    classes = {"gpu": device_class(config=[opaque("class")])}
    config = [opaque("all"), {"requests": ["r"], **opaque("r")}, {"requests": ["other"], **opaque("other")}]
    made = allocation([slice_(device("a"))], claim(ask(), config=config), classes)
    assert made["devices"]["config"] == [
        {"source": "FromClass", "requests": ["r"], **opaque("class")},
        {"source": "FromClaim", **opaque("all")},
        {"source": "FromClaim", "requests": ["r"], **opaque("r")},
    ]
