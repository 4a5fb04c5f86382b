from datetime import timedelta
from typing import Any

from pinnace.api import meta
from pinnace.controllers.nodes.lifecycle import NodeLifecycle, NodeLifecycleConfig, absent
from pinnace.controllers.runtime import Emit, Patch, RequeueAfter, SetStatus, World
from unit.controllers.builders import NOW, Object, ago, lease, node, pod


class Scene:
    """Passes over one node at several moments, with what the controller remembers between them."""

    def __init__(self, *others: Object, **config: Any) -> None:
        self.others = others
        self.controller = NodeLifecycle(NodeLifecycleConfig(**config))
        self.memory: dict = {}

    def run(self, own: Object, seconds: float, *more: Object) -> list:
        world = World.of([own, *self.others, *more], NOW + timedelta(seconds=seconds), memory=self.memory)
        return list(self.controller.reconcile(own, world))


def taints(actions: list) -> set[tuple[str, str]]:
    (body,) = [a.body for a in actions if isinstance(a, Patch) and "spec" in a.body]
    return {(t["key"].removeprefix("node.kubernetes.io/"), t["effect"]) for t in body["spec"]["taints"]}


def test_a_new_node_is_registered_once() -> None:
    scene, own = Scene(), node("a")
    (event,) = [a for a in scene.run(own, 0) if isinstance(a, Emit)]
    assert (event.reason, event.message) == (
        "RegisteredNode",
        "Node a event: Registered Node a in Controller",
    )
    assert [type(a) for a in scene.run(own, 5)] == [RequeueAfter]


def test_a_silent_node_turns_unknown_after_the_grace_period() -> None:
    scene, own = Scene(node("b")), node("a")
    scene.run(own, 0)
    assert not [a for a in scene.run(own, 49) if isinstance(a, SetStatus)]
    actions = scene.run(own, 51)
    (status,) = [a.status for a in actions if isinstance(a, SetStatus)]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready["message"] == "Kubelet stopped posting node status."
    assert ready["lastHeartbeatTime"] == ago(5)
    pressure = next(c for c in status["conditions"] if c["type"] == "MemoryPressure")
    assert pressure["reason"] == "NodeStatusNeverUpdated"
    assert "Node a status is now: NodeNotReady" in [a.message for a in actions if isinstance(a, Emit)]
    assert taints(actions) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}


def test_a_renewed_lease_is_a_heartbeat() -> None:
    scene, own = Scene(), node("a")
    scene.run(own, 0, lease("a", ago(10)))
    scene.run(own, 40, lease("a", ago(-30)))
    assert not [a for a in scene.run(own, 80, lease("a", ago(-30))) if isinstance(a, SetStatus)]
    assert [a for a in scene.run(own, 95, lease("a", ago(-30))) if isinstance(a, SetStatus)]


def test_pods_of_a_silent_node_are_marked_unready() -> None:
    scene, own = (
        Scene(node("b"), pod("p", node="a"), pod("q", node="a", ready=False)),
        node("a", ready="Unknown"),
    )
    actions = scene.run(own, 0)
    (patch,) = [a for a in actions if isinstance(a, Patch) and a.subresource == "status"]
    assert meta.name(patch.obj) == "p"
    assert patch.body["status"]["conditions"][0]["status"] == "False"
    assert ("NodeNotReady", "Node is not ready") in [
        (a.reason, a.message) for a in actions if isinstance(a, Emit)
    ]


def test_pods_that_should_leave_a_silent_node_are_lost() -> None:
    scene = Scene(node("b"), pod("p", node="a", ready=False, deletionTimestamp=ago(1)))
    (patch,) = [
        a for a in scene.run(node("a", ready="Unknown"), 0) if isinstance(a, Patch) and "status" in a.body
    ]
    assert patch.body["status"] == {
        "reason": "NodeLost", "message": "Node a which was running pod p is unresponsive",
    }  # fmt: skip


def test_conditions_and_cordon_become_no_schedule_taints() -> None:
    own = node("a", ready="False")
    own["spec"]["unschedulable"] = True
    own["status"]["conditions"].append({"type": "DiskPressure", "status": "True"})
    assert taints(Scene(node("b")).run(own, 0)) == {
        ("not-ready", "NoSchedule"), ("not-ready", "NoExecute"), ("unschedulable", "NoSchedule"),
        ("disk-pressure", "NoSchedule"),
    }  # fmt: skip


def test_foreign_taints_stay() -> None:
    own = node("a")
    own["spec"]["taints"] = [{"key": "mine", "effect": "NoExecute"},
                             {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]  # fmt: skip
    assert taints(Scene().run(own, 0)) == {("mine", "NoExecute")}


def test_nothing_is_evicted_when_every_node_looks_dead() -> None:
    own = node("a", ready="Unknown")
    assert taints(Scene(node("b", ready="Unknown")).run(own, 0)) == {("unreachable", "NoSchedule")}


def test_nodes_of_a_zone_are_marked_one_by_one() -> None:
    scene, first, second = Scene(node("b")), node("a", ready="False"), node("c", ready="False")
    assert ("not-ready", "NoExecute") in taints(scene.run(first, 0, second))
    later = scene.run(second, 1, first)
    assert taints(later) == {("not-ready", "NoSchedule")}
    assert 9 in [a.seconds for a in later if isinstance(a, RequeueAfter)]
    assert ("not-ready", "NoExecute") in taints(scene.run(second, 11, first))


def test_a_removed_node_is_said_goodbye_to() -> None:
    scene, own = Scene(), node("a")
    scene.run(own, 0)
    (event,) = absent(("", "a"), World.of([], NOW, memory=scene.memory))
    assert isinstance(event, Emit)
    assert (event.reason, event.message) == ("RemovingNode", "Node a event: Removing Node a from Controller")


def test_a_node_outlives_a_jump_of_the_wall_clock() -> None:
    own, memory, judge = node("node-1"), {}, NodeLifecycle(NodeLifecycleConfig())  # type: ignore[var-annotated]
    for wall, steady in ((0, 0), (3600, 10), (-3600, 49)):
        at, since = NOW + timedelta(seconds=wall), NOW + timedelta(seconds=steady)
        world = World.of([own], at, memory=memory, steady=since)
        assert judge.judged(own, world) == own["status"]["conditions"]
    late = World.of([own], NOW, memory=memory, steady=NOW + timedelta(seconds=51))
    assert {c["status"] for c in judge.judged(own, late)} == {"Unknown"}
