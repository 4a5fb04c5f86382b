from datetime import timedelta
from typing import Any

from pinnace.controllers.nodes.taint_eviction import evict_at, pods_of_node, reconcile
from pinnace.controllers.runtime import Delete, Emit, Patch, RequeueAfter, World
from unit.controllers.builders import NOW, Object, ago, node, pod

LOST = "node.kubernetes.io/unreachable"


def tainted(seconds_ago: float | None = 0, key: str = LOST, effect: str = "NoExecute") -> Object:
    own = node("node-1")
    taint: Object = {"key": key, "effect": effect}
    if seconds_ago is not None:
        taint["timeAdded"] = ago(seconds_ago)
    own["spec"]["taints"] = [taint]
    return own


def run(own: Object, *tolerations: Any, memory: dict | None = None, **pod_options: Any) -> list:
    victim = pod("p", **pod_options)
    victim["spec"]["tolerations"] = list(tolerations)
    return list(reconcile(victim, World.of([own, victim], NOW, memory=memory)))


def test_an_untolerated_taint_evicts_at_once_and_says_why() -> None:
    actions = run(tainted())
    assert [type(a) for a in actions] == [Emit, Patch, Delete]
    assert (actions[0].reason, actions[0].message) == (
        "TaintManagerEviction",
        "Marking for deletion Pod default/p",
    )
    status = actions[1].body["status"]
    assert status["conditions"][-1]["reason"] == "DeletionByTaintManager"


def test_toleration_seconds_count_from_when_the_taint_was_added() -> None:
    patience = {"key": LOST, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    assert [a.seconds for a in run(tainted(100), patience)] == [200]
    assert Delete in [type(a) for a in run(tainted(301), patience)]


def test_a_toleration_without_seconds_lasts_for_ever() -> None:
    assert run(tainted(10_000), {"operator": "Exists"}) == []


def test_only_no_execute_evicts() -> None:
    assert run(tainted(effect="NoSchedule")) == []


def test_a_taint_without_time_counts_from_when_it_was_seen() -> None:
    patience = {"key": "x", "operator": "Exists", "tolerationSeconds": 60}
    (requeue,) = run(tainted(None, key="x"), patience)
    assert requeue == RequeueAfter(60)


def test_an_eviction_is_cancelled_when_the_taint_goes() -> None:
    memory: dict = {}
    run(tainted(0), {"key": LOST, "operator": "Exists", "tolerationSeconds": 300}, memory=memory)
    (event,) = run(node("node-1"), memory=memory)
    assert event.message == "Cancelling deletion of Pod default/p"


def test_terminating_pods_are_left_alone() -> None:
    assert run(tainted(), deletionTimestamp=ago(1)) == []


def test_a_taint_that_went_and_comes_again_starts_anew() -> None:
    memory: dict = {}
    patience = {"key": "x", "operator": "Exists", "tolerationSeconds": 60}
    before = tainted(None, key="x")
    run(before, patience, memory=memory)
    after = node("node-1")
    list(pods_of_node(before, after, World.of([after], NOW, memory=memory)))
    later = NOW + timedelta(seconds=59)
    victim = {**pod("p"), "spec": {"nodeName": "node-1", "tolerations": [patience]}}
    due = evict_at(victim, World.of([before], later, memory=memory))
    assert due == later + timedelta(seconds=60)


def test_of_several_tolerations_the_first_that_fits_counts() -> None:
    brief = {"key": LOST, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    assert run(tainted(10_000), {"operator": "Exists"}, brief) == []


def test_a_toleration_may_last_longer_than_dates_reach() -> None:
    (requeue,) = run(tainted(0), {"key": LOST, "operator": "Exists", "tolerationSeconds": 2**63 - 1})
    assert requeue.seconds > 10**9
