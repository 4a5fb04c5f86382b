from collections import Counter

from pinnace.apimachinery.errors import Forbidden
from pinnace.controllers.replicaset import deletion_order, reconcile
from pinnace.controllers.runtime import Adopt, Create, Delete, Release, RequeueAfter, SetStatus, World
from unit.controllers.builders import NOW, ago, pod, replicaset


def statuses(actions: list) -> list:
    return [action.status for action in actions if isinstance(action, SetStatus)]


def test_creates_the_missing_pods_from_the_template() -> None:
    rs = replicaset(replicas=3)
    actions = list(reconcile(rs, World.of([rs, pod("a", rs)], NOW)))
    created = [action.obj for action in actions if isinstance(action, Create)]
    assert len(created) == 2
    assert created[0]["metadata"]["generateName"] == "web-"
    assert created[0]["metadata"]["ownerReferences"][0]["uid"] == rs["metadata"]["uid"]
    assert created[0]["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is True


def test_finished_and_terminating_pods_are_replaced() -> None:
    rs = replicaset(replicas=2)
    world = World.of([rs, pod("a", rs, phase="Failed"), pod("b", rs, deletionTimestamp=ago(1))], NOW)
    actions = list(reconcile(rs, world))
    assert sum(isinstance(action, Create) for action in actions) == 2
    assert statuses(actions) == []  # the pass that sees the new ones says how many there are
    failed = World.of([rs, pod("b", rs, deletionTimestamp=ago(1))], NOW, Forbidden("quota"))
    (told,) = statuses(list(reconcile(rs, failed)))
    assert (told["replicas"], told["terminatingReplicas"]) == (0, 1)


def test_deletes_unready_pods_first() -> None:
    rs = replicaset(replicas=1)
    world = World.of([rs, pod("a", rs), pod("b", rs, ready=False)], NOW)
    deleted = [a.obj["metadata"]["name"] for a in reconcile(rs, world) if isinstance(a, Delete)]
    assert deleted == ["b"]


def test_order_of_deletion() -> None:
    rs = replicaset()
    pods = [
        pod("running-old", rs, ready_for=5000),
        pod("running-young", rs, ready_for=2),
        pod("crowded", rs, node="busy"),
        pod("cheap", rs, annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
        pod("unready", rs, ready=False),
        pod("pending", rs, ready=False, phase="Pending"),
        pod("unassigned", rs, ready=False, phase="Pending", node=""),
    ]
    ordered = sorted(pods, key=deletion_order(Counter({"busy": 5, "node-1": 1}), NOW))
    names = [p["metadata"]["name"] for p in ordered]
    assert names == ["unassigned", "pending", "unready", "cheap", "crowded", "running-young", "running-old"]


def test_adopts_matching_orphans_and_releases_pods_that_match_no_more() -> None:
    rs = replicaset(replicas=1)
    world = World.of([rs, pod("orphan"), pod("stray", rs, labels={"app": "other"})], NOW)
    actions = list(reconcile(rs, world))
    assert [a.obj["metadata"]["name"] for a in actions if isinstance(a, Adopt)] == ["orphan"]
    assert [a.obj["metadata"]["name"] for a in actions if isinstance(a, Release)] == ["stray"]
    assert not [a for a in actions if isinstance(a, Create | Delete)]


def test_a_terminating_set_neither_creates_nor_adopts() -> None:
    rs = replicaset(replicas=3)
    rs["metadata"]["deletionTimestamp"] = ago(1)
    actions = list(reconcile(rs, World.of([rs, pod("orphan")], NOW)))
    assert [type(action) for action in actions] == [SetStatus]


def test_a_failed_pass_shows_as_replica_failure_and_goes_away_again() -> None:
    rs = replicaset(replicas=1)
    failure = Forbidden('pods "web-" is forbidden: exceeded quota')
    (status,) = statuses(list(reconcile(rs, World.of([rs], NOW, failure))))
    assert status["conditions"][0]["reason"] == "FailedCreate"
    assert status["conditions"][0]["message"] == 'pods "web-" is forbidden: exceeded quota'
    rs["status"] = status
    (status,) = statuses(list(reconcile(rs, World.of([rs, pod("a", rs)], NOW))))
    assert "conditions" not in status


def test_availability_waits_for_min_ready_seconds() -> None:
    rs = replicaset(replicas=1, minReadySeconds=30)
    actions = list(reconcile(rs, World.of([rs, pod("a", rs, ready_for=10)], NOW)))
    assert statuses(actions)[0].get("availableReplicas", 0) == 0
    assert [round(a.seconds) for a in actions if isinstance(a, RequeueAfter)] == [20]


def test_nothing_to_do_is_no_action() -> None:
    rs = replicaset(replicas=1)
    rs["status"] = {"replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
                    "terminatingReplicas": 0, "observedGeneration": 1}  # fmt: skip
    assert list(reconcile(rs, World.of([rs, pod("a", rs)], NOW))) == []
