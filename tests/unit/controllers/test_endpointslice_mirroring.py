from typing import Any

from pinnace.controllers.endpointslice_mirroring import CONTROLLER, PER_SUBSET, absent, reconcile
from pinnace.controllers.runtime import Create, Delete, Emit, Update, World
from unit.controllers import builders
from unit.controllers.builders import NOW, Object, ago, service

PORTS = [{"name": "http", "port": 80, "protocol": "TCP"}]


def endpoints(*subsets: Object, **metadata: Any) -> Object:
    obj = builders._named("Endpoints", "v1", "web", **metadata)
    return {**obj, "subsets": list(subsets)}


def subset(*addresses: str, ports: Any = PORTS, **more: Any) -> Object:
    return {"addresses": [{"ip": ip} for ip in addresses], "ports": ports, **more}


def plain_service() -> Object:
    obj = service()
    del obj["spec"]["selector"]
    return obj


def run(obj: Object, *others: Object) -> list[Any]:
    return list(reconcile(obj, World.of([obj, *(others or (plain_service(),))], NOW)))


def stored(action: Create | Update, name: str = "web-1") -> Object:
    metadata = {k: v for k, v in action.obj["metadata"].items() if k != "generateName"}
    return {**action.obj, "metadata": {"name": name, "uid": name, "resourceVersion": "1", **metadata}}


def test_a_subset_becomes_a_slice() -> None:
    annotations = {"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    obj = endpoints(
        subset("10.1.2.3", notReadyAddresses=[{"ip": "10.1.2.4", "hostname": "b", "nodeName": "n"}]),
        labels={"app": "x"},
        annotations=annotations,
    )
    (action,) = run(obj)
    assert isinstance(action, Create)
    made = action.obj
    assert (made["addressType"], made["ports"]) == ("IPv4", PORTS)
    assert made["endpoints"] == [
        {"addresses": ["10.1.2.3"], "conditions": {"ready": True}},
        {"addresses": ["10.1.2.4"], "conditions": {"ready": False}, "hostname": "b", "nodeName": "n"},
    ]
    metadata = made["metadata"]
    assert metadata["generateName"] == "web-"
    assert metadata["labels"] == {
        "app": "x",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    assert metadata["annotations"] == {"note": "kept"}
    assert metadata["ownerReferences"][0]["kind"] == "Endpoints"


def test_families_and_ports_have_slices_of_their_own() -> None:
    other = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    found = run(endpoints(subset("10.1.2.3", "fd00::1"), subset("10.1.2.3", ports=other)))
    assert sorted((a.obj["addressType"], a.obj["ports"][0]["name"]) for a in found) == [
        ("IPv4", "dns"),
        ("IPv4", "http"),
        ("IPv6", "http"),
    ]


def test_nothing_is_written_when_nothing_changed_and_a_change_updates_the_slice() -> None:
    obj = endpoints(subset("10.1.2.3"))
    (made,) = run(obj)
    slice_ = stored(made)
    assert run(obj, plain_service(), slice_) == []
    (update,) = run(endpoints(subset("10.1.2.9")), plain_service(), slice_)
    assert isinstance(update, Update)
    assert update.obj["endpoints"][0]["addresses"] == ["10.1.2.9"]
    assert update.obj["metadata"]["name"] == "web-1"
    (relabelled,) = run(endpoints(subset("10.1.2.3"), labels={"new": "label"}), plain_service(), slice_)
    assert relabelled.obj["metadata"]["labels"]["new"] == "label"


def test_other_ports_reuse_the_slice_and_no_subset_deletes_it() -> None:
    (made,) = run(endpoints(subset("10.1.2.3")))
    slice_ = stored(made)
    (update,) = run(endpoints(subset("10.1.2.3", ports=[{"port": 81}])), plain_service(), slice_)
    assert isinstance(update, Update)
    assert update.obj["ports"] == [{"name": "", "port": 81, "protocol": "TCP"}]
    assert run(endpoints(), plain_service(), slice_) == [Delete(slice_)]


def test_what_is_not_mirrored_is_cleaned_up() -> None:
    (made,) = run(endpoints(subset("10.1.2.3")))
    slice_ = stored(made)
    skipped = endpoints(subset("10.1.2.3"), labels={"endpointslice.kubernetes.io/skip-mirror": "true"})
    lock = endpoints(subset("10.1.2.3"), annotations={"control-plane.alpha.kubernetes.io/leader": "{}"})
    assert run(skipped, plain_service(), slice_) == [Delete(slice_)]
    assert run(lock, plain_service(), slice_) == [Delete(slice_)]
    assert run(endpoints(subset("10.1.2.3")), service(), slice_) == [Delete(slice_)]  # it has a selector
    assert run(endpoints(subset("10.1.2.3")), slice_) == [Delete(slice_)]  # there is no Service
    assert list(absent(("default", "web"), World.of([slice_], NOW))) == [Delete(slice_)]
    assert CONTROLLER.concerns is not None
    assert not CONTROLLER.concerns(None, skipped)


def test_slices_of_others_are_left_alone() -> None:
    (made,) = run(endpoints(subset("10.1.2.3")))
    other = stored(made)
    other["metadata"]["labels"] = {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "me",
    }
    assert list(absent(("default", "web"), World.of([other], NOW))) == []


def test_says_which_addresses_it_left_out() -> None:
    many = [f"10.1.{i // 250}.{i % 250 + 1}" for i in range(PER_SUBSET + 2)]
    event, made = run(endpoints(subset(*many)))
    assert event == Emit(event.about, "Warning", "TooManyAddressesToMirror",
                         "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. "
                         "2 addresses were skipped")  # fmt: skip
    assert len(made.obj["endpoints"]) == PER_SUBSET
    event, made = run(endpoints(subset("10.1.2.3", "nonsense")))
    assert (event.reason, event.message) == (
        "InvalidIPAddress",
        "Skipped 1 invalid IP addresses when mirroring to EndpointSlices",
    )


def test_endpoints_that_go_are_not_mirrored_any_more() -> None:
    assert run(endpoints(subset("10.1.2.3"), deletionTimestamp=ago(1))) == []
