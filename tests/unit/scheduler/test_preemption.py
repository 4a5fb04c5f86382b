"""Preemption: who may preempt, who must leave which node, and what is said when it does not help."""

import random
from typing import Any

import pytest

from pinnace.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pinnace.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pinnace.scheduler.settings import PreemptionArgs
from pinnace.scheduler.victims import VictimFinder
from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

Object = dict[str, Any]


def running(name: str, on: str, cpu: str = "1", priority: int = 0, since: str = "10", **more: Any) -> Object:
    """A pod on a node; `since`: the minute at which it started."""
    made = pod(name, cpu=cpu, node=on, priority=priority, **more)
    return {**made, "status": {"startTime": f"2026-01-01T00:{since}:00Z"}}


def high(name: str = "high", cpu: str = "1", priority: int = 100, **more: Any) -> Object:
    return pod(name, cpu=cpu, priority=priority, **more)


def budget(name: str, allowed: int, **match: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": match}},
        "status": {"disruptionsAllowed": allowed},
    }


# --- who may


def test_a_pod_that_must_never_preempt_says_so() -> None:
    world = World(node("n1", cpu="1")).run(running("low", "n1"))
    preemption = world.preempt(high(preemptionPolicy="Never"))
    assert (preemption.node, preemption.keeps) == ("", True)
    assert preemption.message == "preemption: not eligible due to preemptionPolicy=Never."


def leaving(name: str, on: str, reason: str) -> Object:
    made = running(name, on, terminating=True)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    return {**made, "status": {**made["status"], "conditions": [condition]}}


def test_waits_while_its_victims_leave_the_nominated_node() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="1"))
    world.run(leaving("low", "n1", "PreemptionByScheduler"), running("other", "n2")).nominate(high(), "n1")
    decision = world.decide(high())
    assert decision.message == (
        "0/2 nodes are available: 2 Insufficient cpu. "
        "no new claims to deallocate, preemption: not eligible due to a terminating pod on the nominated node."
    )
    assert decision.preemption is not None
    assert decision.preemption.keeps


def test_pods_that_leave_for_another_reason_do_not_make_it_wait() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="1"))
    world.run(leaving("low", "n1", "EvictionByEvictionAPI"), running("other", "n2", priority=200))
    assert world.nominate(high(), "n1").victims(high()) == ("n1", ["low"])


def test_looks_elsewhere_when_the_nominated_node_can_no_longer_take_it() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    world = World(node("n1", cpu="1", taints=[taint]), node("n2", cpu="1"))
    world.run(leaving("low", "n1", "PreemptionByScheduler"), running("other", "n2")).nominate(high(), "n1")
    assert world.victims(high()) == ("n2", ["other"])


# --- who must leave


def test_only_pods_of_lower_priority_are_victims() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="1"), node("n3", cpu="1"))
    world.run(running("same", "n1", priority=100), running("more", "n2", priority=101), running("less", "n3"))
    assert world.victims(high()) == ("n3", ["less"])


def test_no_more_pods_leave_than_must_and_the_least_important_do() -> None:
    world = World(node("n1", cpu="4")).run(
        running("a", "n1", priority=1), running("b", "n1", priority=3),
        running("c", "n1", priority=2), running("d", "n1", priority=4),
    )  # fmt: skip
    assert world.victims(high(cpu="2")) == ("n1", ["c", "a"])


def test_among_equals_the_one_that_started_last_leaves() -> None:
    world = World(node("n1", cpu="2")).run(
        running("old", "n1", since="01"), running("young", "n1", since="59")
    )
    assert world.victims(high()) == ("n1", ["young"])


def test_a_small_pod_stays_when_a_larger_one_is_enough() -> None:
    world = World(node("n1", cpu="3")).run(
        running("large", "n1", cpu="2", priority=2), running("small", "n1", cpu="1", priority=1)
    )
    assert world.victims(high(cpu="2")) == ("n1", ["large"])


def test_pods_that_a_budget_protects_are_given_back_first() -> None:
    world = World(node("n1", cpu="2")).run(
        running("free", "n1", priority=5), running("kept", "n1", priority=1, labels={"app": "web"})
    )
    world.budgets.put(budget("web", 0, app="web"))
    assert world.victims(high()) == ("n1", ["free"])


def test_a_budget_that_allows_a_disruption_protects_only_the_rest() -> None:
    world = World(node("n1", cpu="2")).run(
        running("a", "n1", since="01", labels={"app": "web"}),
        running("b", "n1", since="02", labels={"app": "web"}),
    )
    world.budgets.put(budget("web", 1, app="web"))
    # Looked at by importance, "a" takes the one disruption that is allowed, so "b" would break the budget and is given back first.
    assert world.victims(high()) == ("n1", ["a"])


def test_pods_whose_eviction_was_granted_already_break_no_budget() -> None:
    world = World(node("n1", cpu="2")).run(
        running("free", "n1", priority=5), running("granted", "n1", labels={"app": "web"})
    )
    one = budget("web", 0, app="web")
    one["status"]["disruptedPods"] = {"granted": "2026-01-01T00:00:00Z"}
    world.budgets.put(one)
    assert world.victims(high()) == ("n1", ["granted"])


def test_frees_host_ports() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    world = World(node("n1")).run(running("a", "n1", ports=ports), running("b", "n1"))
    assert world.victims(high(ports=ports)) == ("n1", ["a"])


def test_frees_places_of_pods() -> None:
    world = World(node("n1", pods="2")).run(running("a", "n1", priority=1), running("b", "n1", priority=2))
    assert world.victims(high(cpu="")) == ("n1", ["a"])


def far_from(**labels: str) -> Object:
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_frees_a_node_from_pods_that_it_must_not_meet() -> None:
    world = World(node("n1")).run(running("a", "n1", labels={"app": "x"}), running("b", "n1"))
    assert world.victims(high(affinity=far_from(app="x"))) == ("n1", ["a"])


def test_frees_a_node_from_pods_that_do_not_want_it() -> None:
    world = World(node("n1")).run(running("a", "n1", affinity=far_from(app="x")), running("b", "n1"))
    assert world.victims(high(labels={"app": "x"})) == ("n1", ["a"])
    assert world.decide(pod(labels={"app": "y"})).node == "n1"


def test_frees_a_zone_that_holds_too_many() -> None:
    zones = {f"n{i}": node(f"n{i}", labels={"zone": f"z{i}"}) for i in range(2)}
    constraint = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"a": "b"}},
    }
    world = World(zones["n0"], zones["n1"]).run(
        running("x", "n0", labels={"a": "b"}), running("y", "n0", labels={"a": "b"}, priority=1),
        running("z", "n1", priority=200, cpu="4"),
    )  # fmt: skip
    assert world.victims(high(labels={"a": "b"}, topologySpreadConstraints=[constraint])) == (
        "n0",
        ["y", "x"],
    )


# --- which node


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"labels": {"app": "free"}, "priority": 50}, {"labels": {"app": "web"}}),
        ({"priority": 1}, {"priority": 2}),
        ({"since": "59"}, {"since": "01"}),
    ],
    ids=["fewer broken budgets", "lower highest priority", "started later"],
)
def test_the_node_that_loses_least_is_chosen(better: Object, worse: Object) -> None:
    for nodes in (("n1", "n2"), ("n2", "n1")):
        world = World(*(node(name, cpu="1") for name in nodes))
        world.run(running("better", "n1", **better), running("worse", "n2", **worse))
        world.budgets.put(budget("web", 0, app="web"))
        assert world.victims(high()) == ("n1", ["better"])


def test_the_smaller_sum_of_priorities_is_chosen() -> None:
    world = World(node("n1", cpu="2"), node("n2", cpu="2")).run(
        running("a", "n1", priority=5), running("b", "n1", priority=1),
        running("c", "n2", priority=5), running("d", "n2", priority=4),
    )  # fmt: skip
    assert world.victims(high(cpu="2")) == ("n1", ["a", "b"])


def test_fewer_victims_weigh_less_also_with_negative_priorities() -> None:
    world = World(node("n1", cpu="2"), node("n2", cpu="2")).run(
        running("a", "n1", cpu="2", priority=-5),
        running("c", "n2", priority=-5),
        running("d", "n2", priority=-9),
    )
    assert world.victims(high(cpu="2")) == ("n1", ["a"])


def test_a_tenth_of_the_nodes_or_a_hundred_are_tried() -> None:
    args = PreemptionArgs()
    assert [args.wanted(count) for count in (50, 500, 5000)] == [50, 100, 500]
    assert PreemptionArgs(50, 10).wanted(1000) == 500


def test_one_candidate_is_enough_when_told_so() -> None:
    world = World(*(node(f"n{i}", cpu="1") for i in range(20)), args=PreemptionArgs(0, 1))
    world.run(*(running(f"p{i}", f"n{i}", priority=i) for i in range(20)))
    chosen = {World(*(node(f"n{i}", cpu="1") for i in range(20)), args=PreemptionArgs(0, 1), seed=seed).run(
        *(running(f"p{i}", f"n{i}", priority=i) for i in range(20))).preempt(high()).node for seed in range(5)}  # fmt: skip
    assert len(chosen) > 1  # from a random offset on


# --- nominated pods


def test_a_nominated_pod_keeps_its_place_from_pods_of_its_priority() -> None:
    world = World(node("n1", cpu="1")).nominate(high("first"), "n1")
    decision = world.decide(high("second"))
    assert decision.node == ""
    assert decision.message.startswith(
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes"
    )
    assert dict(decision.rejected) == {"NodeResourcesFit": 1}
    assert world.decide(high("third", priority=101)).node == "n1"
    world.nominator.remove("uid-default-first")
    assert world.decide(high("second")).node == "n1"


def test_a_pod_takes_the_node_that_it_is_nominated_to() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="64"))
    assert world.nominate(high(), "n1").decide(high()).node == "n1"


def test_a_pod_goes_elsewhere_when_its_nominated_node_is_full() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="1")).run(running("x", "n1", priority=200))
    assert world.nominate(high(), "n1").decide(high()).node == "n2"


def test_a_nominated_pod_keeps_others_at_a_distance() -> None:
    world = World(node("n1"), node("n2")).nominate(high("first", labels={"app": "x"}), "n1")
    assert world.decide(high("second", affinity=far_from(app="x"))).node == "n2"


def test_affinity_to_a_pod_that_is_only_nominated_does_not_hold() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    world = World(node("n1")).nominate(high("first", labels={"app": "x"}), "n1")
    assert world.decide(high("second", affinity=near)).node == ""


def test_two_preemptors_in_a_row_choose_different_nodes() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="1")).run(running("a", "n1"), running("b", "n2"))
    first = world.preempt(high("first"))
    world.nominate(high("first"), first.node)
    second = world.preempt(high("second"))
    assert {first.node, second.node} == {"n1", "n2"}


def test_what_is_kept_follows_pods_nominations_and_budgets() -> None:
    world = World(node("n1", cpu="1"), node("n2", cpu="1")).run(
        running("a", "n1"), running("b", "n2", priority=1)
    )
    assert world.victims(high()) == ("n1", ["a"])
    world.run(running("a", "n1", priority=2))  # a pod changed
    world.cache.remove("uid-default-a")
    world.run(running("a2", "n1", priority=2, labels={"app": "web"}))
    assert world.victims(high()) == ("n2", ["b"])
    world.nominate(high("other"), "n2")
    assert world.victims(high()) == ("n1", ["a2"])
    world.nominator.remove("uid-default-other")
    world.run(running("b2", "n2", cpu="0", priority=50))
    assert world.victims(high()) == ("n2", ["b"])
    world.budgets.put(budget("web", 0, app="web"))
    world.cache.remove("uid-default-b")
    world.run(running("b3", "n2", priority=7, labels={"app": "other"}))
    assert world.victims(high()) == ("n2", ["b3"])


# --- what is said


def test_says_why_no_node_can_be_freed() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    world = World(node("n1", taints=[taint]), node("n2", cpu="1"), node("n3", cpu="2"), node("n4", cpu="2"))
    world.run(running("same", "n2", priority=100), running("big", "n3", cpu="1500m", priority=100), running("low", "n3", cpu="500m"),
              running("full", "n4", cpu="2", priority=100))  # fmt: skip
    assert world.decide(high()).message == (
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu. "
        "no new claims to deallocate, preemption: 0/4 nodes are available: 1 Insufficient cpu, 1 Preemption is not helpful for scheduling, "
        "2 No preemption victims found for incoming pod."
    )


def test_says_nothing_about_preemption_when_it_helps() -> None:
    world = World(node("n1", cpu="1")).run(running("low", "n1"))
    assert world.decide(high()).message == "0/1 nodes are available: 1 Insufficient cpu."


def test_a_nomination_ends_when_preemption_no_longer_helps() -> None:
    world = World(node("n1", cpu="1")).run(running("same", "n1", priority=100)).nominate(high(), "n1")
    preemption = world.preempt(high())
    assert (preemption.node, preemption.keeps) == ("", False)


# --- both ways of trying a node


def test_trying_many_nodes_at_once_finds_what_trying_one_after_the_other_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(3)
    for _ in range(25):
        nodes = [node(f"n{i}", cpu=str(rng.randint(1, 4))) for i in range(6)]
        pods = [
            running(f"p{i}", f"n{rng.randrange(6)}", cpu=f"{rng.randint(1, 10)}00m", priority=rng.randrange(4),
                    since=f"{rng.randint(10, 59)}", labels={"app": rng.choice("abc")})
            for i in range(20)
        ]  # fmt: skip
        wish = high(cpu=f"{rng.randint(5, 30)}00m", priority=rng.randint(1, 4))
        answers = []
        for one_by_one in (False, True):
            world = World(*nodes).run(*pods).nominate(high("other", cpu="300m", priority=9), "n1")
            world.budgets.put(budget("a", 1, app="a"))
            with monkeypatch.context() as patch:
                if one_by_one:
                    patch.setattr(VictimFinder, "_together", VictimFinder._one_by_one)
                before = world.cache.nodes.usage.requested.copy()
                decision = world.decide(wish)
                assert (world.cache.nodes.usage.requested == before).all()
            preemption = decision.preemption
            answers.append(
                (
                    decision.node,
                    decision.message,
                    preemption and (preemption.node, [v.name for v in preemption.victims]),
                )
            )
        assert answers[0] == answers[1]


def spread_over(key: str, **labels: str) -> list[Object]:
    return [{
        "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": labels},
    }]  # fmt: skip


def test_asking_pod_filters_once_where_no_pod_has_a_part_finds_what_asking_them_on_every_node_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, found = random.Random(5), 0
    for number in range(100):
        nodes = [
            node(
                f"n{i}", cpu=str(rng.randint(1, 2)), labels={"zone": f"z{i % 2}", "kubernetes.io/hostname": f"n{i}"}
            )
            for i in range(6)
        ]  # fmt: skip
        kinds: list[Object] = [
            {}, {}, {"affinity": far_from(app="a")}, {"topologySpreadConstraints": spread_over("zone", app="b")},
        ]  # fmt: skip
        pods = [
            running(f"p{i}", f"n{rng.randrange(6)}", cpu=f"{rng.randint(1, 10)}00m", priority=rng.randrange(4),
                    labels={"app": rng.choice("abc")}, **rng.choice(kinds))
            for i in range(14)
        ]  # fmt: skip
        more = rng.choice(kinds[1:])
        wish = high(cpu="900m", priority=rng.randint(3, 6), labels={"app": rng.choice("abc")}, **more)
        answers = []
        for everywhere in (False, True):
            world = World(*nodes, seed=number).run(*pods)
            for i in range(3):
                other = high(
                    f"other{i}", cpu="100m", priority=2 + i, labels={"app": "ab"[i % 2]}, **kinds[i + 1]
                )
                world.nominate(other, f"n{i}")
            with monkeypatch.context() as patch:
                if everywhere:
                    for plugin in InterPodAffinity, PodTopologySpread:
                        patch.setattr(
                            plugin, "involved", lambda self, pod, nodes, others: nodes.exists.copy()
                        )
                decision = world.decide(wish)
            preemption = decision.preemption
            lost = preemption and sorted(
                victim.priority for victim in preemption.victims
            )  # some nodes are equal
            answers.append((decision.node, decision.message, lost, preemption and bool(preemption.node)))
        found += bool(answers[0][-1])
        assert answers[0] == answers[1]
    assert found > 10


def test_a_pod_that_gets_into_a_budget_later_is_spared() -> None:
    """What was found for equal pods before is not used again."""
    world = World(node("n1", cpu="1"), node("n2", cpu="1"))
    world.run(pod("a", cpu="1", node="n1"), pod("b", cpu="1", node="n2", priority=1))
    world.budgets.put({
        "metadata": {"name": "budget", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"spare": "me"}}}, "status": {"disruptionsAllowed": 0},
    })  # fmt: skip
    assert world.victims(pod("high", cpu="1", priority=9)) == ("n1", ["a"])
    world.run(pod("a", cpu="1", node="n1", labels={"spare": "me"}))
    assert world.victims(pod("high", cpu="1", priority=9)) == ("n2", ["b"])


def test_its_own_nomination_keeps_a_pod_from_no_node_also_after_an_equal_pod_looked() -> None:
    world = World(node("n1", cpu="1"))
    world.run(pod("low", cpu="1", node="n1")).nominate(pod("mine", cpu="1", priority=9), "n1")
    assert world.preempt(pod("other", cpu="1", priority=9)).node == ""
    assert world.victims(pod("mine", cpu="1", priority=9)) == ("n1", ["low"])
    assert world.preempt(pod("other", cpu="1", priority=9)).node == ""
