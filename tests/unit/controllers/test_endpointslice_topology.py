"""Hints by `service.kubernetes.io/topology-mode: Auto`."""

from collections import Counter
from typing import Any

import pytest

from pinnace.controllers import endpointslice_topology as topology
from pinnace.controllers.endpointslice import reconcile, services_of_node
from pinnace.controllers.runtime import Create, Emit, Update, World
from unit.controllers.builders import NOW, Object, node, pod, service

AUTO = {"service.kubernetes.io/topology-mode": "Auto"}


def zoned(name: str, zone: str | None, cpu: str = "4", **more: Any) -> Object:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    obj = node(name, labels={**labels, **more.pop("labels", {})}, **more)
    obj["status"]["allocatable"] = {"cpu": cpu}
    return obj


def asking(**annotations: str) -> Object:
    obj = service()
    obj["metadata"]["annotations"] = dict(AUTO)
    return obj


def members(**per_node: int) -> list[Object]:
    counts = [(name, index) for name, count in per_node.items() for index in range(count)]
    return [
        pod(f"{name}-{index}", node=name, ip=f"10.42.{ord(name[-1])}.{index}", uid=f"{name}-{index}")
        for name, index in counts
    ]


def hints(obj: Object) -> Counter[str]:
    return Counter(
        zone["name"] for entry in obj["endpoints"] for zone in (entry.get("hints") or {}).get("forZones", ())
    )


def run(*objects: Object, memory: Any = None) -> list[Any]:
    return list(reconcile(objects[0], World.of(objects, NOW, memory=memory)))


def test_every_zone_gets_its_own_endpoints() -> None:
    svc, nodes = asking(), [zoned("na", "a"), zoned("nb", "b")]
    event, made = run(svc, *nodes, *members(na=2, nb=2))
    assert event == Emit(
        svc, "Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4"
    )
    assert all(entry["hints"] == {"forZones": [{"name": entry["zone"]}]} for entry in made.obj["endpoints"])


def test_a_zone_with_too_many_endpoints_gives_some_away() -> None:
    nodes = [zoned("na", "a"), zoned("nb", "b")]
    _, made = run(asking(), *nodes, *members(na=5, nb=1))
    assert hints(made.obj) == {"a": 3, "b": 3}


def test_more_cpu_means_more_endpoints() -> None:
    nodes = [zoned("na", "a", "9"), zoned("nb", "b", "3")]
    _, made = run(asking(), *nodes, *members(na=4, nb=4))
    assert hints(made.obj) == {"a": 6, "b": 2}


@pytest.mark.parametrize(
    ("nodes", "pods", "why"),
    [
        ([zoned("na", "a"), zoned("nb", None)], {"na": 2}, topology.NO_NODE_INFORMATION),
        ([zoned("na", "a"), zoned("nb", "a")], {"na": 2}, topology.NO_NODE_INFORMATION),
        ([zoned("na", "a"), zoned("nb", "b", "0")], {"na": 2}, topology.NO_NODE_INFORMATION),
        ([zoned("na", "a"), zoned("nb", "b")], {"na": 1}, f"{topology.TOO_FEW} (1 endpoints, 2 zones)"),
        (
            [zoned("na", "a", "4"), zoned("nb", "b", "1"), zoned("nc", "c", "1")],
            {"na": 1, "nb": 1, "nc": 1},
            f"{topology.OVERLOADED} (3 endpoints, 3 zones)",
        ),
        (
            [zoned("na", "a"), zoned("nb", "b"), zoned("nc", None, ready="False")],
            {"na": 2, "nb": 3, "nc": 1},
            topology.NO_ZONE,
        ),
    ],
)
def test_no_hints_and_the_reason(nodes: list[Object], pods: dict[str, int], why: str) -> None:
    svc = asking()
    event, made = run(svc, *nodes, *members(**pods))
    assert event == Emit(svc, "Warning", "TopologyAwareHintsDisabled", f"{why}, addressType: IPv4")
    assert not hints(made.obj)


def test_control_planes_and_unready_nodes_do_not_count() -> None:
    plane = {"node-role.kubernetes.io/control-plane": ""}
    nodes = [
        zoned("na", "a"),
        zoned("nb", "b"),
        zoned("nc", None, labels=plane),
        zoned("nd", None, ready="False"),
    ]
    assert topology.cpu_shares(nodes) == {"a": 0.5, "b": 0.5}


def test_hints_stay_while_they_fit_and_go_when_they_do_not() -> None:
    svc, nodes, memory = asking(), [zoned("na", "a"), zoned("nb", "b")], {}
    _, made = run(svc, *nodes, *members(na=2, nb=2), memory=memory)
    assert isinstance(made, Create)
    slice_ = {**made.obj, "metadata": {**made.obj["metadata"], "name": "s", "uid": "s"}}
    assert run(svc, slice_, *nodes, *members(na=2, nb=2), memory=memory) == []
    fewer = [nodes[0]]
    event, update = run(svc, slice_, *fewer, *members(na=2), memory=memory)
    assert event.reason == "TopologyAwareHintsDisabled"
    assert isinstance(update, Update)
    assert not hints(update.obj)


def test_hints_go_with_the_annotation() -> None:
    svc, nodes, memory = asking(), [zoned("na", "a"), zoned("nb", "b")], {}
    _, made = run(svc, *nodes, *members(na=2, nb=2), memory=memory)
    slice_ = {**made.obj, "metadata": {**made.obj["metadata"], "name": "s", "uid": "s"}}
    event, update = run(service(), slice_, *nodes, *members(na=2, nb=2), memory=memory)
    assert event.message == "Topology Aware Hints has been disabled, addressType: IPv4"
    assert not hints(update.obj)


def test_the_annotation_goes_before_traffic_distribution() -> None:
    svc = asking()
    svc["spec"]["trafficDistribution"] = "PreferSameNode"
    _, made = run(svc, zoned("na", "a"), zoned("nb", "b"), *members(na=2, nb=2))
    assert all("forNodes" not in entry["hints"] for entry in made.obj["endpoints"])


def test_nodes_wake_services_that_look_at_them() -> None:
    svc, old = asking(), zoned("na", "a")
    other = {**service(), "metadata": {**service()["metadata"], "name": "plain"}}
    world = World.of([svc, other, old, *members(na=1)], NOW)

    def woken(before: Object | None, after: Object | None) -> set[str]:
        return {name for _, name in services_of_node(before, after, world)}

    heartbeat = {**old, "metadata": {**old["metadata"], "resourceVersion": "2"}}
    assert woken(old, heartbeat) == set()
    assert woken(None, old) == {"web", "plain"}  # its pods can be shown now
    assert woken(old, zoned("na", "b")) == {"web", "plain"}
    assert woken(old, zoned("na", "a", "8")) == {"web"}
