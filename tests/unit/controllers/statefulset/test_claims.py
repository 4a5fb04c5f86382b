from typing import Any

import pytest

from pinnace.api import meta
from pinnace.controllers.runtime import Action, Create, Emit, Update
from pinnace.controllers.runtime.world import World
from pinnace.controllers.statefulset import of_vanished_claim
from unit.controllers.builders import NOW, Object, deployment, statefulset, volume_claim
from unit.controllers.statefulset.places import created, deleted, replica, run

TEMPLATE = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "labels": {"tier": "db"}, "annotations": {"note": "mine"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    "status": {"phase": "Pending"},
}


def keeper(deleted: str = "Retain", scaled: str = "Retain", **spec: Any) -> Object:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    return statefulset(volumeClaimTemplates=[TEMPLATE], persistentVolumeClaimRetentionPolicy=policy, **spec)


def owners_set(actions: list[Action]) -> dict[str, list[str]]:
    """Claim -> kinds of the owners that it is given."""
    return {
        meta.name(a.obj): [reference["kind"] for reference in a.obj["metadata"]["ownerReferences"]]
        for a in actions
        if isinstance(a, Update) and a.obj["kind"] == "PersistentVolumeClaim"
    }


def test_a_claim_is_made_before_its_pod_and_mounted_in_it() -> None:
    ss = keeper(replicas=1)
    ss["spec"]["template"]["spec"]["volumes"] = [
        {"name": "data", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    claim, made = (a for a in run(ss) if isinstance(a, Create))
    assert claim.obj == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "data-web-0", "namespace": "default", "labels": {"tier": "db", "app": "web"},
            "annotations": {"note": "mine"},
        },
        "spec": TEMPLATE["spec"],
    }  # fmt: skip
    assert made.obj["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    assert claim.wording is not None
    assert claim.wording.done[1] == "create Claim data-web-0 Pod web-0 in StatefulSet web success"
    assert [message for _, message in claim.wording.failed] == [
        "create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: ",
        "create Pod web-0 in StatefulSet web failed error: failed to create PVC data-web-0: ",
    ]


def test_a_claim_that_is_there_is_used_again() -> None:
    ss = keeper(replicas=1)
    actions = run(ss, volume_claim("data-web-0"))
    assert created(actions, "PersistentVolumeClaim") == []
    assert created(actions) == ["web-0"]


def test_in_parallel_pods_whose_claims_are_there_do_not_wait_for_the_claims_of_others() -> None:
    ss = keeper(podManagementPolicy="Parallel")
    kinds = [
        (a.obj["kind"], meta.name(a.obj))
        for a in run(ss, volume_claim("data-web-2"))
        if isinstance(a, Create)
    ]
    assert kinds == [
        ("Pod", "web-2"),
        ("PersistentVolumeClaim", "data-web-0"),
        ("PersistentVolumeClaim", "data-web-1"),
        ("Pod", "web-0"),
        ("Pod", "web-1"),
    ]


def test_a_pending_pod_gets_a_claim_that_was_lost() -> None:
    ss = keeper()
    assert created(run(ss, replica(ss, 0, phase="Pending", ready=False)), "PersistentVolumeClaim") == [
        "data-web-0"
    ]


def test_no_pod_is_made_on_a_claim_that_is_going_away() -> None:
    ss = keeper()
    leaving = volume_claim("data-web-0", deletionTimestamp="2026-01-01T11:59:00Z")
    actions = run(ss, leaving)
    assert created(actions) == []
    assert [(a.reason, a.message) for a in actions if isinstance(a, Emit)] == [
        ("FailedCreate", "create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted")
    ]
    gone = list(of_vanished_claim(leaving, None, World.of([ss], NOW)))
    assert gone == [("default", "web")]


@pytest.mark.parametrize(
    ("when_deleted", "when_scaled", "wanted", "condemned"),
    [
        ("Retain", "Retain", [], []),
        ("Delete", "Retain", ["StatefulSet"], ["StatefulSet"]),
        ("Retain", "Delete", [], ["Pod"]),
        ("Delete", "Delete", ["StatefulSet"], ["Pod"]),
    ],
)
def test_the_retention_policy_decides_who_owns_a_claim(
    when_deleted: str, when_scaled: str, wanted: list[str], condemned: list[str]
) -> None:
    ss = keeper(when_deleted, when_scaled, replicas=1)
    zero, one = replica(ss, 0), replica(ss, 1)
    strange = meta.owner_reference(deployment("other"), controller=False)
    first, second = volume_claim("data-web-0"), volume_claim("data-web-1", ss)
    for claim in (first, second):
        claim["metadata"].setdefault("ownerReferences", []).append(strange)
    actions = run(ss, zero, one, first, second)
    given = owners_set(actions)
    assert given.get("data-web-0", ["Deployment"]) == ["Deployment", *wanted]
    assert sorted(given.get("data-web-1", ["StatefulSet", "Deployment"])) == sorted(
        ["Deployment", *condemned]
    )
    assert deleted(actions) == ["web-1"]


def test_claims_get_the_set_as_their_owner_from_the_start() -> None:
    ss = keeper("Delete", replicas=1)
    (claim, _) = (a for a in run(ss) if isinstance(a, Create))
    assert claim.obj["metadata"]["ownerReferences"] == [meta.owner_reference(ss)]


def test_a_changed_policy_is_told_as_an_update_of_the_pod() -> None:
    ss = keeper("Delete", replicas=1)
    actions = run(ss, replica(ss, 0), volume_claim("data-web-0"))
    assert [a.message for a in actions if isinstance(a, Emit)] == [
        "update Pod web-0 in StatefulSet web successful"
    ]


def test_a_claim_of_an_earlier_pod_that_goes_with_it_is_waited_for() -> None:
    ss = keeper(scaled="Delete", replicas=1)
    earlier = replica(ss, 0)
    earlier["metadata"]["uid"] = "earlier"
    assert created(run(ss, volume_claim("data-web-0", earlier))) == []
    kept = keeper(scaled="Retain", replicas=1)
    assert created(run(kept, volume_claim("data-web-0", earlier))) == ["web-0"]


def test_a_claim_with_another_controller_is_left_to_it() -> None:
    ss = keeper("Delete", replicas=1)
    foreign = volume_claim("data-web-0", deployment("other"))
    assert run(ss, replica(ss, 0), foreign)[:-1] == []
    both = volume_claim("data-web-0", deployment("other"), ss)
    actions = run(ss, replica(ss, 0), both)
    assert owners_set(actions) == {"data-web-0": ["Deployment"]}
    assert next(a.message for a in actions if isinstance(a, Emit)) == (
        "PersistentVolumeClaim data-web-0 has a conflicting OwnerReference that acts as a manging controller, "
        "the retention policy is ignored for this claim"
    )


def test_a_volume_that_a_pod_lacks_is_put_into_an_update_which_the_server_refuses() -> None:
    ss = keeper(replicas=1)
    bare = replica(ss, 0)
    bare["spec"].pop("volumes")
    (update,) = [a for a in run(ss, bare, volume_claim("data-web-0")) if isinstance(a, Update)]
    assert update.obj["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "data-web-0"}
    assert update.wording is not None
    assert update.wording.failed == (("FailedUpdate", "update Pod web-0 in StatefulSet web failed error: "),)
