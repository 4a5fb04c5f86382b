"""Nodes get parts of the cluster network."""

import ipaddress
from typing import Any

import pytest

from pinnace.controllers.nodes.cidrs import CidrSet
from pinnace.controllers.nodes.ipam import NodeIpamConfig, controller
from pinnace.controllers.runtime import Emit, Patch, World
from unit.controllers.builders import NOW, Object, ago, node


def with_cidr(name: str, *cidrs: str) -> Object:
    obj = node(name)
    obj["spec"] = {"podCIDR": cidrs[0], "podCIDRs": list(cidrs)}
    return obj


class Ipam:
    def __init__(self, *cidrs: str, mask: int = 0) -> None:
        self.controller = controller(NodeIpamConfig(cidrs, mask))
        self.nodes: dict[str, Object] = {}

    def add(self, obj: Object) -> list[Any]:
        """What is done about this node, and done."""
        self.nodes[obj["metadata"]["name"]] = obj
        actions = list(self.controller.reconcile(obj, World.of(self.nodes.values(), NOW)))
        for action in actions:
            if isinstance(action, Patch):
                obj["spec"] = {**obj["spec"], **action.body["spec"]}
        return actions

    def cidrs(self, name: str) -> list[str]:
        self.add(node(name))
        return list(self.nodes[name]["spec"].get("podCIDRs") or ())

    def remove(self, name: str) -> None:
        del self.nodes[name]
        assert self.controller.absent is not None
        list(self.controller.absent(("", name), World.of(self.nodes.values(), NOW)))


def test_one_after_another() -> None:
    ipam = Ipam("10.42.0.0/16")
    assert [ipam.cidrs(name) for name in ("a", "b")] == [["10.42.0.0/24"], ["10.42.1.0/24"]]
    assert ipam.nodes["a"]["spec"]["podCIDR"] == "10.42.0.0/24"
    assert ipam.add(ipam.nodes["a"]) == []


def test_what_nodes_have_already_is_taken() -> None:
    ipam = Ipam("10.42.0.0/16")
    ipam.nodes = {"x": with_cidr("x", "10.42.0.0/24"), "y": with_cidr("y", "10.42.2.0/23")}
    assert [ipam.cidrs(name)[0] for name in ("a", "b")] == ["10.42.1.0/24", "10.42.4.0/24"]


def test_when_nothing_is_left_the_node_is_told() -> None:
    ipam = Ipam("10.42.0.0/23")
    ipam.cidrs("a"), ipam.cidrs("b")
    third = node("c")
    assert ipam.add(third) == [
        Emit(third, "Normal", "CIDRNotAvailable", "Node c status is now: CIDRNotAvailable")
    ]
    ipam.remove("a")
    assert ipam.cidrs("c") == ["10.42.0.0/24"]


def test_a_freed_subnet_comes_back_last() -> None:
    ipam = Ipam("10.42.0.0/22")
    ipam.cidrs("a"), ipam.cidrs("b")
    ipam.remove("a")
    assert [ipam.cidrs(name)[0] for name in ("c", "d", "e")] == [
        "10.42.2.0/24",
        "10.42.3.0/24",
        "10.42.0.0/24",
    ]


def test_one_of_each_family() -> None:
    ipam = Ipam("10.42.0.0/16", "fd00:42::/56")
    assert ipam.cidrs("a") == ["10.42.0.0/24", "fd00:42::/64"]
    assert ipam.cidrs("b") == ["10.42.1.0/24", "fd00:42:0:1::/64"]


def test_a_family_that_is_used_up_leaves_the_other_untouched() -> None:
    ipam = Ipam("10.42.0.0/16", "fd00:42::/64")
    assert ipam.cidrs("a") == ["10.42.0.0/24", "fd00:42::/64"]
    assert ipam.cidrs("b") == []
    ipam.remove("a")
    assert ipam.cidrs("c") == ["10.42.2.0/24", "fd00:42::/64"]


def test_a_choice_that_was_not_stored_is_made_again() -> None:
    ipam = Ipam("10.42.0.0/16")
    obj = node("a")
    world = World.of([obj], NOW)
    (first,) = ipam.controller.reconcile(obj, world)
    (again,) = ipam.controller.reconcile(obj, world)
    assert first == again


def test_own_mask_and_networks_smaller_than_the_usual_part() -> None:
    assert Ipam("10.42.0.0/16", mask=20).cidrs("a") == ["10.42.0.0/20"]
    assert Ipam("10.42.0.0/26").cidrs("a") == ["10.42.0.0/26"]


def test_nodes_that_go_get_nothing() -> None:
    assert Ipam("10.42.0.0/16").add(node("a", deletionTimestamp=ago(1))) == []


def test_subnets_outside_do_not_count() -> None:
    cidrs = CidrSet(ipaddress.ip_network("10.42.0.0/23"), 24)
    for outside in ("10.43.0.0/24", "fd00::/64"):
        cidrs.occupy(ipaddress.ip_network(outside))
    assert str(cidrs.allocate()) == "10.42.0.0/24"
    cidrs.occupy(ipaddress.ip_network("10.0.0.0/8"))
    assert cidrs.allocate() is None
    cidrs.release(ipaddress.ip_network("10.0.0.0/8"))
    assert str(cidrs.allocate()) == "10.42.1.0/24"
    with pytest.raises(ValueError, match="smaller than the prefix"):
        CidrSet(ipaddress.ip_network("10.42.0.0/24"), 16)


def test_a_node_that_brings_its_subnets_keeps_them_while_its_object_is_gone() -> None:
    ipam = Ipam("10.42.0.0/16", "fd42::/56")
    own = (ipaddress.ip_network("10.42.0.0/24"), ipaddress.ip_network("fd42::/64"))
    config = NodeIpamConfig(("10.42.0.0/16", "fd42::/56"), brought=("here", own))
    ipam.controller = controller(config)
    assert ipam.cidrs("early") == ["10.42.1.0/24", "fd42:0:0:1::/64"]  # before the object is there
    ipam.add(with_cidr("here", *map(str, own)))
    ipam.remove("here")
    assert ipam.cidrs("agent") == ["10.42.2.0/24", "fd42:0:0:2::/64"]
    assert ipam.cidrs("here") == [str(subnet) for subnet in own]
