"""Queueing hints: a pod is tried again only when what happened can help it."""

from typing import Any

import pytest

from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.hints import hints_of
from pinnace.scheduler.pod_info import DEFAULT_SCHEDULER
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.profiles import default_profile
from pinnace.scheduler.queue import SchedulingQueue
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

Object = dict[str, Any]


class Line:
    """A world and a queue in which pods wait that fitted nowhere."""

    def __init__(self, world: World, *waiting: Object) -> None:
        self.world, self.profile = world, default_profile(lambda pod: None)
        self.queue = SchedulingQueue(
            FakeClock(), self.profile.sort.key, {DEFAULT_SCHEDULER: hints_of(self.profile)}
        )
        for one in waiting:
            self.queue.add(parse_pod(one))
            entry = self.queue.pop_nowait()
            assert entry is not None
            decision = world.decide(one)
            assert not decision.node
            self.queue.refused(entry, decision.plugins)

    def happened(self, *kinds: str, on: str = "", gone: Object | None = None, **more: Any) -> int:
        """How many pods that wakes."""
        waiting = self.queue.unschedulable
        if gone is not None:
            self.world.cache.remove(gone["metadata"]["uid"])
            more["pod"] = parse_pod(gone)
        self.queue.happened(Happening(kinds, self.world.cache.nodes, self.world.nominator, on, **more))
        return waiting - self.queue.unschedulable

    def set_node(self, one: Object) -> int:
        name = one["metadata"]["name"]
        before = (
            dict(self.world.cache.nodes.labels[self.world.cache.nodes.row_of[name]])
            if name in self.world.cache.nodes.row_of
            else {}
        )
        return self.happened(*self.world.cache.set_node(one), on=name, labels_before=before)

    def place(self, one: Object) -> int:
        self.world.run(one)
        return self.happened("Pod/Add", on=one["spec"]["nodeName"], pod=parse_pod(one))


def test_room_helps_only_when_it_is_enough() -> None:
    small, large = pod("small", cpu="500m", node="n1"), pod("large", cpu="1500m", node="n1")
    line = Line(World(node("n1", cpu="2")).run(small, large), pod(cpu="1"))
    assert line.happened("Pod/Delete", on="n1", gone=small) == 0
    assert line.happened("Pod/Delete", on="n1", gone=large) == 1


def test_a_node_that_grows_helps_only_when_it_grows_enough() -> None:
    line = Line(World(node("n1", cpu="1")), pod(cpu="4"))
    assert [line.set_node(node("n1", cpu=cpu)) for cpu in ("2", "3", "4")] == [0, 0, 1]


def test_a_new_node_helps_only_pods_that_may_go_there() -> None:
    line = Line(World(node("n1", cpu="1")), pod("fits", cpu="2"), pod("large", cpu="8"))
    assert line.set_node(node("n2", cpu="4")) == 1


def test_other_changes_of_a_node_do_not_make_room() -> None:
    line = Line(World(node("n1", cpu="1")), pod(cpu="2"))
    assert (
        line.set_node(
            node("n1", cpu="1", labels={"a": "b"}, taints=[{"key": "x", "effect": "PreferNoSchedule"}])
        )
        == 0
    )


def test_labels_help_when_they_match() -> None:
    line = Line(World(node("n1"), node("n2")), pod(nodeSelector={"disk": "ssd"}))
    assert line.set_node(node("n1", labels={"disk": "hdd"})) == 0
    assert line.set_node(node("n1", labels={"disk": "ssd"})) == 1


def test_a_taint_that_goes_helps_when_no_other_stays() -> None:
    taints = [{"key": key, "effect": "NoSchedule"} for key in ("a", "b")]
    line = Line(World(node("n1", taints=taints)), pod())
    assert line.set_node(node("n1", taints=taints[:1])) == 0
    assert line.set_node(node("n1")) == 1


def test_uncordoning_helps() -> None:
    line = Line(World(node("n1", unschedulable=True), node("n2", unschedulable=True)), pod())
    assert line.set_node(node("n2", unschedulable=True, labels={"a": "b"})) == 0
    assert line.set_node(node("n2")) == 1


def test_a_host_port_helps_when_it_is_this_one() -> None:
    def with_port(name: str, port: int, **more: Any) -> Object:
        return pod(name, ports=[{"containerPort": 1, "hostPort": port}], **more)

    web, other = with_port("web", 80, node="n1"), with_port("other", 81, node="n1")
    line = Line(World(node("n1")).run(web, other), with_port("p", 80))
    assert line.happened("Pod/Delete", on="n1", gone=other) == 0
    assert line.happened("Pod/Delete", on="n1", gone=web) == 1


def affinity(kind: str, **labels: str) -> Object:
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_affinity_is_helped_by_pods_that_match_alone() -> None:
    line = Line(World(node("n1")), pod(affinity=affinity("podAffinity", app="db")))
    assert line.place(pod("web", node="n1", labels={"app": "web"})) == 0
    assert line.place(pod("other", node="n1", labels={"app": "db"}, namespace="elsewhere")) == 0
    assert line.place(pod("db", node="n1", labels={"app": "db"})) == 1


def test_anti_affinity_is_helped_by_the_end_of_pods_that_match() -> None:
    db, web = pod("db", node="n1", labels={"app": "db"}), pod("web", node="n1")
    line = Line(World(node("n1")).run(db, web), pod(affinity=affinity("podAntiAffinity", app="db")))
    assert line.happened("Pod/Delete", on="n1", gone=web) == 0
    assert line.happened("Pod/Delete", on="n1", gone=db) == 1


def test_a_label_that_changes_may_end_a_conflict() -> None:
    db, was = pod("db", node="n1", labels={"app": "x"}), pod("db", node="n1", labels={"app": "db"})
    line = Line(World(node("n1")).run(was), pod(affinity=affinity("podAntiAffinity", app="db")))
    assert line.happened("Pod/UpdateLabel", on="n1", pod=parse_pod(was), old=parse_pod(was)) == 0
    assert line.happened("Pod/UpdateLabel", on="n1", pod=parse_pod(db), old=parse_pod(was)) == 1


def test_a_pod_that_others_kept_away_is_helped_when_they_leave() -> None:
    shy = pod("shy", node="n1", affinity=affinity("podAntiAffinity", app="web"))
    line = Line(World(node("n1")).run(shy, pod("calm", node="n1")), pod(labels={"app": "web"}))
    assert line.happened("Pod/Delete", on="n1", gone=pod("calm", node="n1")) == 0
    assert line.happened("Pod/Delete", on="n1", gone=shy) == 1


def test_spread_is_helped_by_pods_that_count_and_by_nodes_with_the_label() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                  "labelSelector": {"matchLabels": {"app": "web"}}}  # fmt: skip
    wish = pod(labels={"app": "web"}, topologySpreadConstraints=[constraint])

    def line() -> Line:
        world = World(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}, unschedulable=True))
        return Line(world.run(pod("one", node="a", labels={"app": "web"}), pod("other", node="b")), wish)

    assert line().place(pod("db", node="b", labels={"app": "db"})) == 0
    assert line().place(pod("web2", node="b", labels={"app": "web"})) == 1
    assert line().set_node(node("c")) == 1  # not for spread, but the unschedulable node's plugin is asked too
    assert line().happened("Pod/Delete", on="b", gone=pod("other", node="b")) == 0


def test_what_frees_a_nominated_place_wakes_its_owner_alone() -> None:
    victim = pod("victim", cpu="1", node="n1")
    world = World(node("n1", cpu="1")).run(victim)
    waiting = [pod(f"p{i}", cpu="1", priority=5) for i in range(3)]
    line = Line(world, *waiting)
    world.nominate(waiting[1], "n1")
    assert line.happened("Pod/Delete", on="n1", gone=victim) == 1
    entry = line.queue.pop_nowait()
    assert entry is not None
    assert entry.pod.name == "p1"


def test_pods_of_higher_priority_are_woken_although_the_place_is_nominated() -> None:
    victim = pod("victim", cpu="1", node="n1")
    world = World(node("n1", cpu="1")).run(victim)
    first, stronger = pod("first", cpu="1", priority=5), pod("stronger", cpu="1", priority=6)
    line = Line(world, first, stronger)
    world.nominate(first, "n1")
    assert line.happened("Pod/Delete", on="n1", gone=victim) == 2


def test_an_event_during_the_decision_is_not_lost() -> None:
    world = World(node("n1", cpu="1"))
    queue = Line(world).queue
    queue.add(parse_pod(pod(cpu="2")))
    entry = queue.pop_nowait()
    assert entry is not None
    decision = world.decide(pod(cpu="2"))
    kinds = world.cache.set_node(node("n2", cpu="2"))
    queue.happened(Happening(kinds, world.cache.nodes, world.nominator, "n2"))
    queue.refused(entry, decision.plugins)
    assert (queue.unschedulable, queue.backing_off) == (0, 1)


def test_an_event_that_cannot_help_is_forgotten_after_the_decision() -> None:
    world = World(node("n1", cpu="1"))
    queue = Line(world).queue
    queue.add(parse_pod(pod(cpu="2")))
    entry = queue.pop_nowait()
    assert entry is not None
    decision = world.decide(pod(cpu="2"))
    queue.happened(Happening(("Node/UpdateLabel",), world.cache.nodes, world.nominator, "n1"))
    queue.refused(entry, decision.plugins)
    assert queue.unschedulable == 1


def test_a_change_of_the_pod_during_the_decision_gives_it_another_try() -> None:
    world = World(node("n1", cpu="1"))
    queue = Line(world).queue
    queue.add(parse_pod(pod(cpu="2")))
    entry = queue.pop_nowait()
    assert entry is not None
    queue.add(parse_pod(pod(cpu="2", labels={"a": "b"})))
    queue.refused(entry, {"NodeResourcesFit"})
    assert queue.backing_off == 1


@pytest.mark.parametrize("kind", ["Node/UpdateImages", "Namespace/Update"])
def test_events_that_no_plugin_asked_for_wake_nobody(kind: str) -> None:
    assert Line(World(node("n1", cpu="1")), pod(cpu="2")).happened(kind, on="n1") == 0
