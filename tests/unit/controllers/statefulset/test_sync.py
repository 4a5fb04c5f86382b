from typing import Any

import pytest

from pinnace.api import meta
from pinnace.controllers.runtime import Adopt, Create, Delete, Emit, Release, RequeueAfter, SetStatus, Update
from unit.controllers.builders import Object, ago, pod, statefulset
from unit.controllers.statefulset.places import created, deleted, replica, revision_of, run, status

LEAVING = {"deletionTimestamp": "2026-01-01T11:59:00Z"}


def parallel(**spec: Any) -> Object:
    return statefulset(podManagementPolicy="Parallel", **spec)


def test_the_template_is_written_down_before_pods_are_made() -> None:
    ss = statefulset()
    (create,) = run(ss, known=False)
    assert isinstance(create, Create)
    assert create.obj["kind"] == "ControllerRevision"
    assert create.obj["metadata"]["labels"]["controller.kubernetes.io/hash"]
    assert create.obj["data"]["spec"]["template"]["$patch"] == "replace"


def test_a_pod_has_its_name_hostname_subdomain_and_labels() -> None:
    ss = statefulset()
    (create,) = [a for a in run(ss) if isinstance(a, Create)]
    made = create.obj
    assert (meta.name(made), made["spec"]["hostname"], made["spec"]["subdomain"]) == (
        "web-0",
        "web-0",
        "nginx",
    )
    assert meta.labels(made) == {
        "app": "web",
        "statefulset.kubernetes.io/pod-name": "web-0",
        "apps.kubernetes.io/pod-index": "0",
        "controller-revision-hash": meta.name(revision_of(ss)),
    }
    assert made["metadata"]["ownerReferences"] == [meta.owner_reference(ss)]
    assert create.wording is not None
    assert create.wording.done == ("SuccessfulCreate", "create Pod web-0 in StatefulSet web successful")
    assert create.wording.failed == (("FailedCreate", "create Pod web-0 in StatefulSet web failed error: "),)


@pytest.mark.parametrize(
    ("there", "next_one"),
    [
        ((), ["web-0"]),
        ((0,), ["web-1"]),
        ((0, 1), ["web-2"]),
        ((0, 2), ["web-1"]),
        ((0, 1, 2), []),
    ],
)
def test_pods_come_one_by_one_in_the_order_of_their_ordinals(
    there: tuple[int, ...], next_one: list[str]
) -> None:
    ss = statefulset()
    assert created(run(ss, *(replica(ss, n) for n in there))) == next_one


@pytest.mark.parametrize(
    "trouble",
    [{"ready": False}, {"phase": "Pending", "ready": False}, LEAVING],
    ids=["unready", "pending", "leaving"],
)
def test_no_pod_is_made_while_an_earlier_one_is_not_well(trouble: dict[str, Any]) -> None:
    ss = statefulset()
    assert created(run(ss, replica(ss, 0, **trouble))) == []


def test_a_pod_that_has_not_been_ready_for_long_enough_holds_up_the_next_one() -> None:
    ss = statefulset(minReadySeconds=30)
    actions = run(ss, replica(ss, 0, ready_for=10))
    assert created(actions) == []
    assert [a.seconds for a in actions if isinstance(a, RequeueAfter)] == [pytest.approx(20.1)]
    assert status(actions)["availableReplicas"] == 0
    assert created(run(ss, replica(ss, 0, ready_for=31))) == ["web-1"]


def test_parallel_makes_all_pods_at_once() -> None:
    ss = parallel()
    assert created(run(ss, replica(ss, 1, ready=False))) == ["web-0", "web-2"]


def test_ordinals_may_start_anywhere() -> None:
    ss = parallel(ordinals={"start": 5}, replicas=2)
    actions = run(ss, replica(ss, 0), replica(ss, 7))
    assert created(actions) == ["web-5", "web-6"]
    assert deleted(actions) == ["web-7", "web-0"]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_finished_pod_is_deleted_and_comes_back_when_it_is_gone(phase: str) -> None:
    ss = statefulset()
    actions = run(ss, replica(ss, 0, phase=phase, ready=False), replica(ss, 1), replica(ss, 2))
    assert deleted(actions) == ["web-0"]
    assert created(actions) == []
    leaving = replica(ss, 0, phase=phase, ready=False, **LEAVING)
    assert deleted(run(ss, leaving, replica(ss, 1), replica(ss, 2))) == []


# --- scaling down


def test_the_highest_ordinal_goes_first_and_alone() -> None:
    ss = statefulset(replicas=1)
    actions = run(ss, *(replica(ss, n) for n in range(3)))
    assert deleted(actions) == ["web-2"]
    (delete,) = [a for a in actions if isinstance(a, Delete)]
    assert delete.wording is not None
    assert delete.wording.done == ("SuccessfulDelete", "delete Pod web-2 in StatefulSet web successful")


def test_scaling_down_waits_for_a_pod_that_is_leaving() -> None:
    ss = statefulset(replicas=1)
    assert deleted(run(ss, replica(ss, 0), replica(ss, 1), replica(ss, 2, **LEAVING))) == []


def test_scaling_down_waits_while_a_wanted_pod_is_not_well() -> None:
    ss = statefulset(replicas=1)
    assert deleted(run(ss, replica(ss, 0, ready=False), replica(ss, 1))) == []


def test_of_unhealthy_condemned_pods_only_the_lowest_may_go_before_it_is_well() -> None:
    ss = statefulset(replicas=1)
    zero = replica(ss, 0)
    assert deleted(run(ss, zero, replica(ss, 1), replica(ss, 2, ready=False))) == ["web-2"]
    assert deleted(run(ss, zero, replica(ss, 1, ready=False), replica(ss, 2, ready=False))) == []
    assert deleted(run(ss, zero, replica(ss, 1, ready=False), replica(ss, 2))) == ["web-2"]


def test_parallel_deletes_all_condemned_pods_at_once() -> None:
    ss = parallel(replicas=1)
    pods = [
        replica(ss, 0, ready=False),
        replica(ss, 1),
        replica(ss, 2, ready=False),
        replica(ss, 3, **LEAVING),
    ]
    assert deleted(run(ss, *pods)) == ["web-2", "web-1"]


def test_a_set_that_is_going_away_only_reports() -> None:
    ss = statefulset(replicas=1)
    ss["metadata"] |= LEAVING
    (report,) = run(ss, replica(ss, 0), replica(ss, 1))
    assert isinstance(report, SetStatus)
    assert report.status["replicas"] == 2


# --- status


def test_status_counts() -> None:
    ss = statefulset()
    name = meta.name(revision_of(ss))
    assert status(run(ss, replica(ss, 0), replica(ss, 1, ready=False), replica(ss, 2, **LEAVING))) == {
        "observedGeneration": 1, "replicas": 3, "readyReplicas": 2, "availableReplicas": 2, "currentReplicas": 2,
        "updatedReplicas": 2, "currentRevision": name, "updateRevision": name, "collisionCount": 0,
    }  # fmt: skip


def test_a_status_that_is_right_is_not_written_again() -> None:
    ss = statefulset()
    there = [replica(ss, n) for n in range(3)]
    ss["status"] = {
        **status(run(ss, *there)),
        "conditions": [{"type": "Mine", "status": "True"}],
    }
    assert run(ss, *there) == []


def test_a_revision_whose_name_is_taken_counts_as_a_collision() -> None:
    ss = statefulset()
    ss["status"] = {"replicas": 0, "availableReplicas": 0}
    taken = {**revision_of(ss), "data": {}}
    taken["metadata"].pop("ownerReferences")
    taken["metadata"]["labels"] = {}
    (action,) = run(ss, taken)
    assert isinstance(action, SetStatus)
    assert action.status["collisionCount"] == 1
    ss["status"] = action.status
    (create,) = run(ss, taken)
    assert isinstance(create, Create)
    assert meta.name(create.obj) != meta.name(taken)


# --- history


def test_going_back_makes_an_old_revision_the_newest_and_makes_no_other() -> None:
    ss = statefulset()
    mine, other = revision_of(ss, 1), revision_of(statefulset(image="other"), 2)
    (update,) = [a for a in run(ss, mine, other) if isinstance(a, Update)]
    assert (meta.name(update.obj), update.obj["revision"]) == (meta.name(mine), 3)


def test_old_revisions_beyond_the_limit_go_unless_a_pod_is_of_one() -> None:
    ss = statefulset(revisionHistoryLimit=1, replicas=1, updateStrategy={"type": "OnDelete"})
    old = [revision_of(statefulset(image=f"old-{n}"), n) for n in range(1, 5)]
    present = revision_of(ss, 5)
    actions = run(ss, *old, present, replica(ss, 0, old[0]))
    assert deleted(actions) == [meta.name(old[1]), meta.name(old[2])]


def test_a_negative_limit_keeps_all_revisions() -> None:
    ss = statefulset(revisionHistoryLimit=-1)
    old = [revision_of(statefulset(image=f"old-{n}"), n) for n in range(1, 20)]
    assert deleted(run(ss, *old, revision_of(ss, 20))) == []


# --- identity and ownership


def test_a_label_taken_away_by_hand_comes_back() -> None:
    ss = statefulset()
    robbed = replica(ss, 0)
    del robbed["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"]
    (update,) = [a for a in run(ss, robbed, replica(ss, 1), replica(ss, 2)) if isinstance(a, Update)]
    assert meta.labels(update.obj)["statefulset.kubernetes.io/pod-name"] == "web-0"
    assert update.wording is not None
    assert update.wording.done == ("SuccessfulUpdate", "update Pod web-0 in StatefulSet web successful")


def test_a_pod_that_no_longer_matches_is_released_and_its_place_is_not_free_for_another() -> None:
    ss = statefulset()
    actions = run(ss, {**(odd := replica(ss, 0)), "metadata": {**odd["metadata"], "labels": {"app": "odd"}}})
    assert [meta.name(a.obj) for a in actions if isinstance(a, Release)] == ["web-0"]
    assert created(actions) == [
        "web-0"
    ]  # answered with AlreadyExists until the released pod is gone, as upstream


def test_orphans_are_adopted_when_label_and_name_fit() -> None:
    ss = statefulset()
    fits, labelled_only = pod("web-0"), pod("something-else")
    actions = run(ss, fits, labelled_only, pod("web-1", labels={"app": "odd"}))
    assert [meta.name(a.obj) for a in actions if isinstance(a, Adopt)] == ["web-0"]


def test_an_owned_pod_with_a_strange_name_is_released() -> None:
    ss = statefulset()
    stranger = pod("other-0", ss)
    actions = run(ss, stranger)
    assert [meta.name(a.obj) for a in actions if isinstance(a, Release)] == ["other-0"]


def test_a_pod_of_another_owner_is_left_alone() -> None:
    ss, other = statefulset(), statefulset("other")
    actions = run(ss, pod("web-0", other))
    assert not [a for a in actions if isinstance(a, Adopt | Release | Delete)]
    assert created(actions) == ["web-0"]


def test_of_two_pods_with_one_ordinal_the_one_with_the_right_name_counts() -> None:
    ss = statefulset(replicas=1)
    odd = pod("web-00", ss)
    assert deleted(run(ss, replica(ss, 0), odd)) == []
    assert created(run(ss, replica(ss, 0), odd)) == []


def test_ages_are_counted_from_the_worlds_time() -> None:
    ss = statefulset(minReadySeconds=5)
    just = replica(ss, 0, ready_for=0)
    assert just["status"]["conditions"][0]["lastTransitionTime"] == ago(0)
    assert status(run(ss, just))["readyReplicas"] == 1
    assert not [a for a in run(ss, just) if isinstance(a, Emit)]
