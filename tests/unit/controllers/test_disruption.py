from datetime import timedelta
from typing import Any

import pytest

from pinnace.apimachinery.errors import InternalError
from pinnace.controllers.disruption import budgets_of_pod, reconcile, shown, stale
from pinnace.controllers.disruption.scales import Scale
from pinnace.controllers.runtime import Action, Emit, Fetch, Patch, RequeueAfter, SetStatus, World
from unit.controllers.builders import NOW, Object, ago, budget, deployment, pod, replicaset


def numbers(pdb: Object, *objects: Object) -> tuple[int, int, int, int]:
    (status,) = [a.status for a in reconcile(pdb, World.of([pdb, *objects], NOW)) if isinstance(a, SetStatus)]
    return (
        status["disruptionsAllowed"],
        status["currentHealthy"],
        status["desiredHealthy"],
        status["expectedPods"],
    )


def web(replicas: int, ready: int) -> list[Object]:
    d = deployment(replicas=replicas)
    rs = replicaset("web-1", replicas, owner=d)
    return [d, rs, *(pod(f"p{n}", rs, ready=n < ready) for n in range(replicas))]


def test_min_available_as_a_number_or_a_share() -> None:
    assert numbers(budget(minAvailable=2), *web(3, 3)) == (1, 3, 2, 3)
    assert numbers(budget(minAvailable="50%"), *web(3, 3)) == (1, 3, 2, 3)
    assert numbers(budget(minAvailable=2), *web(3, 1)) == (0, 1, 2, 3)


def test_max_unavailable_counts_from_what_the_deployment_asks_for() -> None:
    assert numbers(budget(maxUnavailable=1), *web(4, 4)) == (1, 4, 3, 4)
    assert numbers(budget(maxUnavailable="30%"), *web(4, 4)) == (2, 4, 2, 4)


def test_evicted_pods_that_still_look_healthy_do_not_count() -> None:
    pdb = budget(minAvailable=1)
    pdb["status"] = {"disruptedPods": {"p0": ago(10), "p1": ago(130)}}
    assert numbers(pdb, *web(3, 3)) == (1, 2, 1, 3)


def test_unmanaged_pods_are_pointed_out() -> None:
    def reasons(*objects: Object, **spec: Any) -> list[str]:
        pdb = budget(**spec)
        return [a.reason for a in reconcile(pdb, World.of([pdb, *objects], NOW)) if isinstance(a, Emit)]

    assert reasons(pod("naked"), maxUnavailable=1) == ["UnmanagedPods"]
    assert reasons(minAvailable=1) == ["NoPods"]


def actions(pdb: Object, *objects: Object, **world: Any) -> list[Action]:
    return list(reconcile(pdb, World.of([pdb, *objects], NOW, **world)))


def test_unmanaged_pods_do_not_matter_where_pods_are_counted() -> None:
    assert numbers(budget(minAvailable=1), pod("naked")) == (0, 1, 1, 1)
    assert not [a for a in actions(budget(minAvailable=1), pod("naked")) if isinstance(a, Emit)]


def test_a_selector_is_shown_as_go_prints_it() -> None:
    rule = {"key": "tier", "operator": "In", "values": ["a", "b"]}
    assert shown({"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [rule]}) == (
        "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{"
        "LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
    )


def test_what_cannot_be_counted_must_not_be_disrupted() -> None:
    """The pod's replica set is gone (or was made anew), so nobody says how many pods there should be."""
    pdb = budget(maxUnavailable=1)
    pdb["status"] = {"disruptionsAllowed": 3, "currentHealthy": 4, "desiredHealthy": 1, "expectedPods": 4}
    (event, report) = actions(pdb, pod("p", replicaset("gone")))
    assert isinstance(event, Emit)
    assert event.reason == "CalculateExpectedPodCountFailed"
    assert event.message == (
        'Failed to calculate the number of expected pods: found no controllers for pod "p"'
    )
    assert isinstance(report, SetStatus)
    assert (report.status["disruptionsAllowed"], report.status["currentHealthy"]) == (0, 4)
    (condition,) = report.status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"], condition["message"]) == (
        "DisruptionAllowed", "False", "SyncFailed", 'found no controllers for pod "p"',
    )  # fmt: skip


def foo(kind: str = "Foo") -> Object:
    return {"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "f", "uid": "uid-f"}}


KINDS = {
    "resources": [
        {"name": "foos", "kind": "Foo"},
        {"name": "foos/scale", "kind": "Scale"},
        {"name": "bars", "kind": "Bar"},
    ]
}
SCALE_PATH = "/apis/example.com/v1/namespaces/default/foos/f/scale"


def test_another_kind_is_asked_for_its_scale() -> None:
    pdb = budget(maxUnavailable=1)
    memory: dict[Any, Any] = {}
    pods = [pod(f"p{n}", foo()) for n in range(3)]
    (first,) = actions(pdb, *pods, memory=memory)
    assert isinstance(first, Fetch)
    assert first.path == "/apis/example.com/v1"
    memory[first.fact] = (first.keep(KINDS), NOW)
    (second,) = actions(pdb, *pods, memory=memory)
    assert isinstance(second, Fetch)
    assert second.path == SCALE_PATH
    memory[second.fact] = (second.keep({"metadata": {"uid": "uid-f"}, "spec": {"replicas": 5}}), NOW)
    (report,) = actions(pdb, *pods, memory=memory)
    assert isinstance(report, SetStatus)
    assert (report.status["expectedPods"], report.status["desiredHealthy"]) == (5, 4)
    memory[second.fact] = (memory[second.fact][0], NOW - timedelta(seconds=6))
    assert isinstance(actions(pdb, *pods, memory=memory)[0], Fetch)


@pytest.mark.parametrize(
    ("kind", "scale", "why"),
    [
        ("Bar", None, "bars.example.com does not implement the scale subresource"),
        ("Baz", None, 'no matches for kind "Baz" in version "example.com/v1"'),
        ("Foo", None, 'found no controllers for pod "p"'),
        ("Foo", Scale("another-uid", 3), 'found no controllers for pod "p"'),
    ],
)
def test_a_kind_without_a_scale_cannot_be_counted(kind: str, scale: Scale | None, why: str) -> None:
    kinds = tuple(
        (r["kind"], r["name"], r["kind"] == "Foo") for r in KINDS["resources"] if "/" not in r["name"]
    )
    memory = {("kinds", "/apis/example.com/v1"): (kinds, NOW), ("scale", SCALE_PATH): (scale, NOW)}
    event = actions(budget(maxUnavailable=1), pod("p", foo(kind)), memory=memory)[0]
    assert isinstance(event, Emit)
    assert event.message == f"Failed to calculate the number of expected pods: {why}"


def test_while_the_server_does_not_answer_nothing_may_be_disrupted() -> None:
    event, report, again = actions(
        budget(maxUnavailable=1), pod("p", foo()), failure=InternalError("no answer")
    )
    assert isinstance(event, Emit)
    assert isinstance(report, SetStatus)
    assert report.status["disruptionsAllowed"] == 0
    assert isinstance(again, Fetch)


def test_a_pod_of_two_budgets_is_told_once() -> None:
    memory: dict[Any, Any] = {}
    first, second = budget(minAvailable=1), budget("other", minAvailable=1)
    world = World.of([first, second, pod("p")], NOW, memory=memory)
    events = [a for pdb in (first, second) for a in reconcile(pdb, world) if isinstance(a, Emit)]
    assert [(e.reason, e.message) for e in events] == [
        ("MultiplePodDisruptionBudgets",
         'Pod "default"/"p" matches multiple PodDisruptionBudgets.  Chose "web" arbitrarily.')
    ]  # fmt: skip


def test_an_eviction_that_came_to_nothing_is_told() -> None:
    pdb = budget(minAvailable=1)
    pdb["status"] = {"disruptedPods": {"p1": ago(130)}}
    (event,) = [a for a in actions(pdb, *web(3, 3)) if isinstance(a, Emit)]
    assert (event.reason, event.message) == (
        "NotDeleted",
        "Pod was expected by PDB default/web to be deleted but it wasn't",
    )


def targeted(seconds: float, reason: str = "EvictionByEvictionAPI", **more: Any) -> Object:
    made = pod("p", **more)
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "lastTransitionTime": ago(seconds),
    }
    made["status"]["conditions"].append(condition)
    return made


def test_a_pod_that_was_not_disrupted_after_all_is_no_target_any_more() -> None:
    (wait,) = stale.reconcile(targeted(50), World.of([], NOW))
    assert wait == RequeueAfter(70.0)
    (patch,) = stale.reconcile(targeted(121), World.of([], NOW))
    assert isinstance(patch, Patch)
    assert [(c["type"], c["status"]) for c in patch.body["status"]["conditions"]] == [
        ("Ready", "True"),
        ("DisruptionTarget", "False"),
    ]


@pytest.mark.parametrize(
    "target",
    [
        targeted(500, "TerminationByKubelet"),
        targeted(500, phase="Failed"),
        targeted(500, deletionTimestamp="2026-01-01T11:59:00Z"),
        pod("p"),
    ],
    ids=["by the kubelet", "finished", "leaving", "no target"],
)
def test_other_pods_keep_what_is_said_of_them(target: Object) -> None:
    assert not stale.concerns(None, target)
    assert list(stale.reconcile(target, World.of([], NOW))) == []


def test_nothing_is_remembered_of_pods_that_are_gone() -> None:
    memory: dict[Any, Any] = {}
    world = World.of([budget(minAvailable=1), budget("other", minAvailable=1), pod("p")], NOW, memory=memory)
    list(reconcile(budget(minAvailable=1), world))
    assert memory
    list(budgets_of_pod(pod("p"), None, world))
    assert not memory
