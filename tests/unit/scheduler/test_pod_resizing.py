"""Pods that are resized in place count with what they ask for, were granted or have, whichever is most."""

from typing import Any

from pinnace.scheduler.pod_parsing import parse_pod
from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

Object = dict[str, Any]


def resizing(asks: str, granted: str, has: str, pending: str = "") -> Object:
    made = pod("p", cpu=asks, node="n1")
    status: Object = {
        "name": "c",
        "allocatedResources": {"cpu": granted},
        "resources": {"requests": {"cpu": has}},
    }
    made["status"] = {"containerStatuses": [status]}
    if pending:
        made["status"]["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": pending}]
    return made


def cpu(one: Object) -> int:
    return parse_pod(one).demand.requests["cpu"]


def test_growing_counts_at_once_and_shrinking_when_it_is_done() -> None:
    assert cpu(resizing("2", "1", "1")) == 2000
    assert cpu(resizing("1", "2", "2")) == 2000
    assert cpu(resizing("1", "1", "2")) == 2000
    assert cpu(resizing("1", "1", "1")) == 1000


def test_a_resize_that_the_node_cannot_do_does_not_count() -> None:
    assert cpu(resizing("8", "1", "1", "Infeasible")) == 1000
    assert cpu(resizing("8", "1", "1", "Deferred")) == 1000


def test_pods_without_a_resize_share_their_demand() -> None:
    bare = pod("q", cpu="1", node="n1")
    assert parse_pod(resizing("1", "1", "1")).demand is parse_pod(bare).demand


def test_room_follows_a_resize() -> None:
    world = World(node("n1", cpu="4")).run(resizing("1", "3", "3"))
    assert world.decide(pod(cpu="2")).node == ""
    world.run(resizing("1", "1", "1"))
    assert world.decide(pod(cpu="2")).node == "n1"


def test_resources_of_a_pod_as_a_whole_count_alike() -> None:
    def whole(asks: str, granted: str, has: str) -> int:
        made = pod("p", node="n1")
        made["spec"]["resources"] = {"requests": {"cpu": asks}}
        made["status"] = {
            "containerStatuses": [{"name": "c"}], "allocatedResources": {"cpu": granted},
            "resources": {"requests": {"cpu": has}},
        }  # fmt: skip
        return cpu(made)

    assert whole("2", "1", "1") == 2000
    assert whole("1", "2", "2") == 2000
    assert whole("1", "1", "1000m") == 1000
