"""What a pod's claims mean for nodes, asked again and again while devices come and go."""

from typing import Any

import pytest

from pinnace.scheduler.devices.inventory import CLAIM, CLASS, SLICE, Inventory
from pinnace.scheduler.devices.planner import Planner
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.pod_parsing import parse_pod
from unit.scheduler.devices.test_allocator import ask, claim, device, device_class, slice_
from unit.scheduler.objects import pod

Object = dict[str, Any]
GPU = {"metadata": {"name": "gpu"}, **device_class()}


class Cluster:
    def __init__(self, *slices: Object) -> None:
        self.inventory = Inventory()
        self.planner = Planner(self.inventory)
        self.inventory.changed(CLASS, None, GPU)
        for one in slices:
            self.inventory.changed(SLICE, None, one)

    def pod(self, name: str, *asked: Object, **changes: Any) -> PodInfo:
        """With a claim of its own name."""
        wanted = claim(*(asked or (ask(),)), name=name)
        wanted["metadata"] |= {"uid": f"uid-{name}", **changes}
        self.inventory.changed(CLAIM, None, wanted)
        return parse_pod(pod(name, resourceClaims=[{"name": "g", "resourceClaimName": name}]))

    def nodes(self, one: PodInfo, *names: str, **labels: str) -> list[str]:
        """Those of the names that would do."""
        needs = self.planner.needs(one)
        return [name for name in names if not needs.refusal and not self.planner.reason(needs, name, labels)]

    def take(self, one: PodInfo, node: str) -> None:
        for wanted, allocation in self.planner.plan(one, node, {}).allocations:
            self.inventory.assume(wanted, allocation)


def gpus(node: str, *names: str, **more: Any) -> Object:
    return slice_(*map(device, names), pool=node, nodeName=node, **more)


def test_a_node_drops_out_when_its_last_device_is_taken_and_comes_back() -> None:
    cluster = Cluster(gpus("n1", "a"), gpus("n2", "a"))
    first, second = cluster.pod("first"), cluster.pod("second")
    assert cluster.nodes(first, "n1", "n2", "n3") == ["n1", "n2"]
    cluster.take(first, "n1")
    assert cluster.nodes(second, "n1", "n2", "n3") == ["n2"]
    stored = cluster.inventory.claim("default", "first")
    assert stored is not None
    cluster.inventory.forget(stored)
    assert cluster.nodes(second, "n1", "n2", "n3") == ["n1", "n2"]


def test_devices_that_several_nodes_reach() -> None:
    cluster = Cluster(slice_(device("a"), pool="net", allNodes=True))
    first, second = cluster.pod("first"), cluster.pod("second")
    assert cluster.nodes(first, "n1", "n2") == ["n1", "n2"]
    cluster.take(first, "n1")
    assert cluster.nodes(second, "n1", "n2") == []


def test_new_slices_and_labels_change_the_answer() -> None:
    cluster = Cluster()
    one = cluster.pod("p")
    assert cluster.nodes(one, "n1") == []
    cluster.inventory.changed(SLICE, None, gpus("n1", "a"))
    assert cluster.nodes(one, "n1") == ["n1"]
    cluster.inventory.changed(SLICE, gpus("n1", "a"), None)
    requirement = {"key": "zone", "operator": "In", "values": ["a"]}
    selector = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    cluster.inventory.changed(SLICE, None, slice_(device("a"), pool="zonal", nodeSelector=selector))
    assert cluster.nodes(one, "n1") == []
    assert cluster.nodes(one, "n1", zone="a") == ["n1"]


def test_other_wishes_are_asked_for_themselves() -> None:
    cluster = Cluster(gpus("n1", "a"), gpus("n2", "a", "b"))
    assert cluster.nodes(cluster.pod("one"), "n1", "n2") == ["n1", "n2"]
    assert cluster.nodes(cluster.pod("two", ask("r", 2)), "n1", "n2") == ["n2"]


def test_an_allocated_claim_keeps_its_pods_near() -> None:
    cluster = Cluster(gpus("n1", "a"), gpus("n2", "a"))
    one = cluster.pod("p")
    cluster.take(one, "n2")
    assert cluster.nodes(one, "n1", "n2") == ["n2"]
    needs = cluster.planner.needs(one)
    assert cluster.planner.reason(needs, "n1", {}) == "resourceclaim not available on the node"


@pytest.mark.parametrize(
    ("changes", "entry", "why"),
    [
        (
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            {"resourceClaimName": "p"},
            'resourceclaim "p" is being deleted',
        ),
        ({}, {"resourceClaimName": "none"}, 'resourceclaim.resource.k8s.io "none" not found'),
        (
            {},
            {"resourceClaimTemplateName": "t"},
            "ResourceClaim default/p was not created for pod default/p (pod is not owner)",
        ),
    ],
)
def test_claims_that_no_node_can_help_with(changes: Object, entry: Object, why: str) -> None:
    cluster = Cluster(gpus("n1", "a"))
    cluster.pod("p", **changes)
    body = pod("p", resourceClaims=[{"name": "g", **entry}])
    body["status"] = {"resourceClaimStatuses": [{"name": "g", "resourceClaimName": "p"}]}
    assert cluster.planner.needs(parse_pod(body)).refusal == why
