"""The cycle with the default profile: who gets the pod, and the words when nobody does."""

import pytest

from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

GPU = "example.com/gpu"


def test_counts_and_sorts_reasons_as_upstream_does() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    world = World(node("n1", taints=[taint]), node("n2", cpu="1"), node("n3", cpu="1"))
    world.run(pod("x", cpu="800m", node="n2"), pod("y", cpu="800m", node="n3"))
    assert world.decide(pod(cpu="500m")).message == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. "
        "no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, "
        "2 No preemption victims found for incoming pod."
    )


def test_names_every_resource_that_a_node_lacks() -> None:
    world = World(node(cpu="1", memory="1Gi", pods="0"))
    decision = world.decide(pod(cpu="2", memory="2Gi", requests={GPU: "1"}))
    assert decision.message.startswith(
        f"0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient {GPU}, 1 Insufficient memory, 1 Too many pods. "
    )
    assert decision.message.endswith("1 Preemption is not helpful for scheduling.")
    assert decision.plugins == {"NodeResourcesFit"}


def test_says_when_there_is_no_node_at_all() -> None:
    assert World().decide(pod()).message == "no nodes available to schedule pods"


def test_a_pod_pinned_by_field_names_node_affinity_for_all_others() -> None:
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]
    required = {"nodeSelectorTerms": [{"matchFields": fields}]}
    pinned = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    world = World(node("n1", cpu="1"), node("n2"))
    assert world.decide(pod(affinity=pinned)).node == "n1"
    assert world.decide(pod(cpu="2", affinity=pinned)).message.startswith(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
    )


def test_preemption_policy_never_is_said() -> None:
    message = World(node(cpu="1")).decide(pod(cpu="2", preemptionPolicy="Never")).message
    assert message.endswith("preemption: not eligible due to preemptionPolicy=Never.")


def test_promises_no_preemption_where_victims_exist() -> None:
    world = World(node(cpu="1")).run(pod("low", cpu="1", node="n1"))
    assert world.decide(pod(cpu="1", priority=10)).message == "0/1 nodes are available: 1 Insufficient cpu."


def test_spreads_equal_pods_over_equal_nodes() -> None:
    world = World(*(node(f"n{i}") for i in range(4)))
    chosen = [world.schedule(pod(f"p{i}", cpu="100m", memory="64Mi")) for i in range(8)]
    assert sorted(chosen) == sorted([f"n{i}" for i in range(4)] * 2)


def test_fills_a_cluster_to_the_last_place_and_refuses_the_next() -> None:
    world = World(*(node(f"n{i}", cpu="1") for i in range(3)))
    assert all(world.schedule(pod(f"p{i}", cpu="250m")) for i in range(12))
    assert world.decide(pod("late", cpu="250m")).message.startswith(
        "0/3 nodes are available: 3 Insufficient cpu."
    )


def test_explains_the_scores_of_the_best_nodes() -> None:
    world = World(node("big", cpu="16"), node("small", cpu="2"))
    decision = world.decide(pod(cpu="1", memory="1Gi"))
    assert [card.node for card in decision.best] == ["big", "small"]
    assert decision.best[0].scores["NodeResourcesFit"] > decision.best[1].scores["NodeResourcesFit"]
    assert (decision.nodes, decision.feasible) == (2, 2)


def test_prefers_nodes_with_fewer_soft_taints() -> None:
    soft = {"key": "slow", "effect": "PreferNoSchedule"}
    world = World(node("a", taints=[soft]), node("b"), node("c", taints=[soft]))
    assert world.decide(pod()).node == "b"


def test_kept_answers_follow_changes_of_nodes() -> None:
    world = World(node("n1"), node("n2", unschedulable=True))
    assert world.decide(pod()).node == "n1"
    world.cache.set_node(node("n1", unschedulable=True))
    world.cache.set_node(node("n2"))
    assert world.decide(pod()).node == "n2"
    world.cache.remove_node("n2")
    assert world.decide(pod()).message.startswith(
        "0/1 nodes are available: 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/1"
    )


@pytest.mark.parametrize("amount", ["8Ei", "7Ei", str(2**63 - 1), "1e25"])
@pytest.mark.parametrize("resource", ["cpu", "memory", "example.com/dongle"])
def test_what_no_node_can_have_fits_nowhere_also_beside_other_pods(amount: str, resource: str) -> None:
    world = World(node(allocatable={"example.com/dongle": "3"}))
    world.run(pod("old", cpu="1", memory="1Gi", requests={"example.com/dongle": "1"}, node="n1"))
    assert f"1 Insufficient {resource}." in world.decide(pod(requests={resource: amount})).message


def test_a_node_may_claim_any_amount_and_pods_put_there_may_ask_for_any() -> None:
    world = World(node(cpu="1e30", memory="1e30"))
    world.run(*(pod(f"p{i}", memory="8Ei", cpu="1e20", node="n1") for i in range(3)))
    assert world.decide(pod(cpu="1", memory="1Gi")).node == ""
