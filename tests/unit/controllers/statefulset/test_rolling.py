from typing import Any

import pytest

from pinnace.api import meta
from unit.controllers.builders import Object, statefulset
from unit.controllers.statefulset.places import created, deleted, replica, revision_of, run, status

OLD = statefulset(image="old")
BEFORE = revision_of(OLD)
LEAVING = {"deletionTimestamp": "2026-01-01T11:59:00Z"}


def updating(
    rolling: dict[str, Any] | None = None, policy: str = "OrderedReady", replicas: int = 3
) -> Object:
    ss = statefulset(
        replicas=replicas,
        podManagementPolicy=policy,
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling or {"partition": 0}},
    )
    ss["status"] = {"currentRevision": meta.name(BEFORE), "currentReplicas": replicas, "replicas": replicas}
    return ss


def step(ss: Object, *states: dict[str, Any]) -> list[str]:
    """Deletions of a pass over pods of these states; `new` in a state is for a pod of the new revision."""
    return deleted(run(ss, *world(ss, *states)))


def world(ss: Object, *states: dict[str, Any]) -> list[Object]:
    now = revision_of(ss, 2)
    pods = [
        replica(ss, ordinal, now if state.pop("new", False) else BEFORE, **state)
        for ordinal, state in enumerate(dict(s) for s in states)
    ]
    return [BEFORE, now, *pods]


FINE: dict[str, Any] = {}
NEW: dict[str, Any] = {"new": True}
BROKEN: dict[str, Any] = {"ready": False}


def test_the_highest_ordinal_is_replaced_first_and_alone() -> None:
    assert step(updating(), FINE, FINE, FINE) == ["web-2"]


def test_the_next_one_waits_until_the_new_pod_is_available() -> None:
    assert step(updating(), FINE, FINE, {**NEW, **BROKEN}) == []
    assert step(updating(), FINE, FINE, NEW) == ["web-1"]


def test_pods_below_the_partition_keep_their_revision_also_when_they_are_made_again() -> None:
    ss = updating({"partition": 2})
    assert step(ss, FINE, FINE, FINE) == ["web-2"]
    assert step(ss, FINE, FINE, NEW) == []
    now = revision_of(ss, 2)
    actions = run(ss, BEFORE, now, replica(ss, 1, BEFORE), replica(ss, 2, now))
    (made,) = [a.obj for a in actions if getattr(a, "obj", {}).get("kind") == "Pod"]  # type: ignore[union-attr]
    assert meta.labels(made)["controller-revision-hash"] == meta.name(BEFORE)
    assert made["spec"]["containers"][0]["image"] == "old"


def test_pods_above_the_partition_come_back_with_the_new_revision() -> None:
    ss = updating({"partition": 1})
    actions = run(ss, BEFORE, revision_of(ss, 2), replica(ss, 0, BEFORE))
    (made,) = [a.obj for a in actions if getattr(a, "obj", {}).get("kind") == "Pod"]  # type: ignore[union-attr]
    assert made["spec"]["containers"][0]["image"] == "busybox"


def test_the_partition_counts_places_not_ordinals() -> None:
    ss = {**updating({"partition": 1}, replicas=2)}
    ss["spec"] = {**ss["spec"], "ordinals": {"start": 5}}
    now = revision_of(ss, 2)
    assert deleted(run(ss, BEFORE, now, replica(ss, 5, BEFORE), replica(ss, 6, BEFORE))) == ["web-6"]
    assert deleted(run(ss, BEFORE, now, replica(ss, 5, BEFORE), replica(ss, 6, now))) == []


def test_on_delete_waits_for_the_user() -> None:
    ss = updating()
    ss["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert step(ss, FINE, FINE, FINE) == []
    now = revision_of(ss, 2)
    actions = run(ss, BEFORE, now, replica(ss, 0, BEFORE), replica(ss, 2, BEFORE))
    assert created(actions) == ["web-1"]


def test_an_ordered_update_is_stuck_behind_a_broken_pod() -> None:
    """https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback"""
    assert step(updating(), BROKEN, FINE, FINE) == []


def test_a_parallel_update_replaces_a_broken_pod_of_the_old_revision() -> None:
    assert step(updating(policy="Parallel"), FINE, FINE, BROKEN) == ["web-2"]


@pytest.mark.parametrize(
    ("unavailable", "states", "gone"),
    [
        (2, (FINE, FINE, FINE, FINE), ["web-3", "web-2"]),
        ("50%", (FINE, FINE, FINE, FINE), ["web-3", "web-2"]),
        ("10%", (FINE, FINE, FINE, FINE), ["web-3"]),
        (1, (FINE, FINE, FINE, FINE), ["web-3"]),
        (2, (FINE, FINE, NEW, NEW), ["web-1", "web-0"]),
        (4, (FINE, FINE, FINE, FINE), ["web-3", "web-2", "web-1", "web-0"]),
    ],
)
def test_as_many_pods_are_replaced_as_may_be_unavailable(
    unavailable: int | str, states: tuple[dict[str, Any], ...], gone: list[str]
) -> None:
    assert step(updating({"maxUnavailable": unavailable}, replicas=4), *states) == gone


def test_pods_that_are_unavailable_already_count() -> None:
    ss = updating({"maxUnavailable": 2}, "Parallel", replicas=4)
    assert step(ss, FINE, FINE, FINE, {**NEW, **BROKEN}) == ["web-2"]
    assert step(ss, FINE, FINE, LEAVING, {**NEW, **BROKEN}) == []


def test_in_parallel_broken_pods_of_the_old_revision_go_first_and_beyond_the_budget() -> None:
    ss = updating({"maxUnavailable": 2}, "Parallel", replicas=4)
    assert step(ss, BROKEN, FINE, FINE, FINE) == ["web-0", "web-3"]
    assert step(ss, BROKEN, BROKEN, BROKEN, FINE) == ["web-2", "web-1", "web-0"]


def test_status_tells_both_revisions_until_the_update_is_complete() -> None:
    ss = updating()
    new_name = meta.name(revision_of(ss, 2))
    halfway = status(run(ss, *world(ss, FINE, FINE, NEW)))
    assert (halfway["currentRevision"], halfway["updateRevision"]) == (meta.name(BEFORE), new_name)
    assert halfway["updatedReplicas"] == 1
    assert halfway["currentReplicas"] == 1  # web-1 is on its way
    done = status(run(ss, *world(ss, NEW, NEW, NEW)))
    assert (done["currentRevision"], done["updateRevision"]) == (new_name, new_name)
    assert (done["currentReplicas"], done["updatedReplicas"]) == (3, 3)


def test_an_update_is_not_complete_while_a_new_pod_is_not_ready() -> None:
    ss = updating()
    assert status(run(ss, *world(ss, {**NEW, **BROKEN}, NEW, NEW)))["currentRevision"] == meta.name(BEFORE)


@pytest.mark.parametrize("data", [{}, None, {"spec": 3}, {"spec": {"template": {}}}, "text"])
def test_a_revision_that_keeps_no_template_gives_the_present_one(data: Any) -> None:
    ss = updating({"partition": 3})
    odd = {**BEFORE, "data": data}
    actions = run(ss, odd, revision_of(ss, 2))
    (made,) = [a.obj for a in actions if getattr(a, "obj", {}).get("kind") == "Pod"]  # type: ignore[union-attr]
    assert made["spec"]["containers"][0]["image"] == "busybox"
    assert meta.labels(made)["controller-revision-hash"] == meta.name(BEFORE)


def test_what_is_replaced_may_be_of_neither_revision_and_counts_as_neither() -> None:
    ss = updating(replicas=1)
    between = statefulset(image="between")
    middle = revision_of(between, 2)
    now = revision_of(ss, 3)
    actions = run(ss, BEFORE, middle, now, replica(ss, 0, middle))
    assert deleted(actions) == ["web-0"]
    assert status(actions).get("currentReplicas", 0) == 0
