"""What arguments of plugins change, through the scheduling cycle."""

from typing import Any

from pinnace.apimachinery.selectors import from_label_selector
from pinnace.scheduler.pod_info import NodeTerm
from pinnace.scheduler.pod_parsing import node_terms
from pinnace.scheduler.settings import (
    DefaultSpread,
    FitArgs,
    InterPodAffinityArgs,
    NodeAffinityArgs,
    PluginArgs,
    ProfileSettings,
    SpreadArgs,
)
from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

Object = dict[str, Any]
GPU = "example.com/gpu"


def scores(world: World, wish: Object, plugin: str) -> dict[str, int]:
    return {card.node: card.scores[plugin] for card in world.decide(wish).best}


def with_fit(args: FitArgs) -> World:
    world = World(
        node("busy", cpu="4", memory="8Gi"), node("idle", cpu="4", memory="8Gi"), plugins=PluginArgs(fit=args)
    )
    return world.run(pod("x", cpu="2", memory="4Gi", node="busy"))


def test_most_allocated_packs() -> None:
    wish = pod(cpu="1", memory="2Gi")
    assert scores(with_fit(FitArgs()), wish, "NodeResourcesFit") == {"idle": 75, "busy": 25}
    assert scores(with_fit(FitArgs(strategy="MostAllocated")), wish, "NodeResourcesFit") == {
        "busy": 75,
        "idle": 25,
    }


def test_resources_and_weights_of_the_strategy() -> None:
    world = World(
        node("a", cpu="4", memory="8Gi", allocatable={GPU: "4"}), node("b", cpu="4", memory="8Gi", allocatable={GPU: "8"}),
        plugins=PluginArgs(fit=FitArgs(resources=((GPU, 3), ("cpu", 1)))),
    )  # fmt: skip
    assert scores(world, pod(cpu="2", requests={GPU: "2"}), "NodeResourcesFit") == {
        "b": (75 * 3 + 50) // 4,
        "a": 50,
    }
    # A resource that the pod does not ask for does not count.
    assert scores(world, pod(cpu="2"), "NodeResourcesFit") == {"a": 50, "b": 50}


def test_requested_to_capacity_ratio_follows_its_shape() -> None:
    args = FitArgs(
        strategy="RequestedToCapacityRatio", resources=(("cpu", 1),), shape=((0, 0), (50, 10), (100, 2))
    )
    # 25 % -> 50, 50 % -> 100, 75 % -> half way from 100 to 20.
    for used, wanted in (("0", 50), ("1", 100), ("2", 60)):
        world = World(node("a", cpu="4"), node("b", cpu="4"), plugins=PluginArgs(fit=args))
        world.run(pod("x", cpu=used, node="a"), pod("y", cpu=used, node="b"))
        assert scores(world, pod(cpu="1"), "NodeResourcesFit") == {"a": wanted, "b": wanted}


def test_a_score_that_changes_with_usage_is_followed() -> None:
    world = with_fit(FitArgs(strategy="MostAllocated"))
    assert world.schedule(pod("a", cpu="1", memory="2Gi")) == "busy"
    assert world.schedule(pod("b", cpu="1", memory="2Gi")) == "busy"
    assert world.schedule(pod("c", cpu="1", memory="2Gi")) == "idle"


def test_ignored_resources_are_not_looked_at() -> None:
    wish = pod(cpu="8", requests={GPU: "1", "other.com/x": "1"})
    world = World(
        node("n1", cpu="1"), plugins=PluginArgs(fit=FitArgs(frozenset({GPU}), frozenset({"other.com"})))
    )
    assert world.decide(wish).message.startswith("0/1 nodes are available: 1 Insufficient cpu. ")
    assert world.decide(pod(requests={GPU: "1", "other.com/x": "1"})).node == "n1"


def test_balance_counts_the_resources_that_it_is_told() -> None:
    world = World(
        node("even", cpu="4", memory="8Gi", allocatable={GPU: "4"}), node("odd", cpu="4", memory="8Gi", allocatable={GPU: "2"}),
        plugins=PluginArgs(balanced_resources=("cpu", GPU)),
    )  # fmt: skip
    found = scores(world, pod(cpu="1", requests={GPU: "1"}), "NodeResourcesBalancedAllocation")
    assert found == {"even": 100, "odd": 87}


def test_added_affinity_holds_for_every_pod() -> None:
    terms = node_terms([{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]}])
    world = World(
        node("n1"),
        node("n2", labels={"pool": "a"}),
        plugins=PluginArgs(node_affinity=NodeAffinityArgs(terms)),
    )
    assert world.decide(pod()).node == "n2"
    world.cache.remove_node("n2")
    assert world.decide(pod()).message.startswith(
        "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity. "
    )


def test_added_preferences_score() -> None:
    (term,) = node_terms([{"matchExpressions": [{"key": "pool", "operator": "Exists"}]}])
    preferred = NodeTerm(term.expressions, term.fields, 10)
    world = World(
        node("n1"),
        node("n2", labels={"pool": "a"}),
        node("n3"),
        plugins=PluginArgs(node_affinity=NodeAffinityArgs(None, (preferred,))),
    )
    assert world.decide(pod()).node == "n2"


def carrying_affinity(kind: str, weight: int = 0) -> Object:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    if weight:
        return {"podAffinity": {kind: [{"weight": weight, "podAffinityTerm": term}]}}
    return {"podAffinity": {kind: [term]}}


def test_the_weight_of_required_affinity_of_others() -> None:
    db = pod(
        "db",
        node="n1",
        cpu="2",
        affinity=carrying_affinity("requiredDuringSchedulingIgnoredDuringExecution"),
        labels={"app": "web"},
    )
    for weight, wanted in ((1, {"n1": 100, "n2": 0}), (0, {})):
        args = PluginArgs(inter_pod_affinity=InterPodAffinityArgs(weight))
        decision = World(node("n1"), node("n2"), plugins=args).run(db).decide(pod(labels={"app": "web"}))
        assert {
            card.node: card.scores["InterPodAffinity"]
            for card in decision.best
            if card.scores.get("InterPodAffinity", 0) or wanted
        } == wanted


def test_preferences_of_others_can_be_ignored() -> None:
    db = pod(
        "db", node="n1", affinity=carrying_affinity("preferredDuringSchedulingIgnoredDuringExecution", 50)
    )
    wish = pod(labels={"app": "web"})
    plain, ignoring = PluginArgs(), PluginArgs(inter_pod_affinity=InterPodAffinityArgs(1, True))
    assert (
        "InterPodAffinity" in World(node("n1"), node("n2"), plugins=plain).run(db).decide(wish).best[0].scores
    )
    assert (
        "InterPodAffinity"
        not in World(node("n1"), node("n2"), plugins=ignoring).run(db).decide(wish).best[0].scores
    )


def test_default_constraints_of_the_configuration_also_filter() -> None:
    web = from_label_selector({"matchLabels": {"app": "web"}})
    args = PluginArgs(spread=SpreadArgs(False, (DefaultSpread("zone", 1, is_hard=True),)))
    world = World(
        node("a", labels={"zone": "a"}, cpu="64"), node("b", labels={"zone": "b"}), plugins=args, selector=web
    )
    placed = [world.schedule(pod(f"p{i}", cpu="1", labels={"app": "web"})) for i in range(4)]
    assert sorted(placed) == ["a", "a", "b", "b"]


def test_no_default_constraints_at_all() -> None:
    web = from_label_selector({"matchLabels": {"app": "web"}})
    wish = pod(labels={"app": "web"})
    assert "PodTopologySpread" in World(node("a"), node("b"), selector=web).decide(wish).best[0].scores
    without = World(node("a"), node("b"), selector=web, plugins=PluginArgs(spread=SpreadArgs(False, ())))
    assert "PodTopologySpread" not in without.decide(wish).best[0].scores


def test_a_percentage_of_the_nodes_is_enough_and_the_search_goes_on_where_it_ended() -> None:
    world = World(*(node(f"n{i}") for i in range(400)), settings=ProfileSettings(percentage=50))
    assert [world.decide(pod(f"p{i}")).feasible for i in range(2)] == [200, 200]
    seen = set()
    for i in range(8):
        seen.add(world.schedule(pod(f"q{i}", cpu="1")))
    assert len(seen) == 8


def test_at_least_a_hundred_nodes_are_looked_at() -> None:
    world = World(*(node(f"n{i}") for i in range(150)), settings=ProfileSettings(percentage=5))
    assert world.decide(pod()).feasible == 100
