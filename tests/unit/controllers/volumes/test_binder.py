"""The binder's decisions: which volume a claim gets, when it waits, and what becomes of a volume without its claim."""

from typing import Any

import pytest

from pinnace.api import meta
from unit.controllers.volumes.settling import Storage, claim, names, storage_class, volume

BOUND_BY, COMPLETED = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"
SELECTED, PROVISIONED = "volume.kubernetes.io/selected-node", "pv.kubernetes.io/provisioned-by"
LATE = "WaitForFirstConsumer"
Object = dict[str, Any]


def phase(storage: Storage, kind: str, name: str) -> str:
    found: str = storage.get(kind, name)["status"]["phase"]
    return found


def claim_phase(storage: Storage) -> str:
    return phase(storage, "PersistentVolumeClaim", "data")


def test_a_new_volume_is_available_and_a_claim_binds_to_it_both_ways() -> None:
    storage = Storage(volume(phase="Pending"), claim()).settle()
    disk, data = storage.get("PersistentVolume", "disk"), storage.get("PersistentVolumeClaim", "data")
    assert disk["spec"]["claimRef"] == {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "default", "name": "data",
        "uid": "uid-data", "resourceVersion": "1",
    }  # fmt: skip
    assert disk["status"] == {"phase": "Bound"}
    assert meta.annotations(disk) == {BOUND_BY: "yes"}
    assert data["spec"]["volumeName"] == "disk"
    assert meta.annotations(data) == {BOUND_BY: "yes", COMPLETED: "yes"}
    assert data["status"] == {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
    }


def test_the_smallest_volume_that_is_large_enough_is_chosen() -> None:
    sizes = {"tiny": "512Mi", "fit": "1200Mi", "large": "5Gi"}
    storage = Storage(*(volume(name, size) for name, size in sizes.items()), claim(size="1Gi")).settle()
    assert storage.get("PersistentVolumeClaim", "data")["spec"]["volumeName"] == "fit"
    assert storage.get("PersistentVolumeClaim", "data")["status"]["capacity"] == {"storage": "1200Mi"}


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"size": "2Gi"}, {}),
        ({"accessModes": ["ReadWriteMany"]}, {}),
        ({"volumeMode": "Block"}, {}),
        ({"selector": {"matchLabels": {"tier": "fast"}}}, {"labels": {"tier": "slow"}}),
        ({"storage_class": "gold"}, {}),
        ({}, {"storageClassName": "gold"}),
        ({}, {"claimRef": {"namespace": "default", "name": "other"}}),
        ({"volumeAttributesClassName": "quick"}, {}),
    ],
)
def test_a_volume_that_does_not_offer_what_is_asked_stays_free(asked: Object, offered: Object) -> None:
    storage = Storage(storage_class("gold"), volume(**offered), claim(**asked)).settle()
    assert claim_phase(storage) == "Pending"
    assert "volumeName" not in storage.get("PersistentVolumeClaim", "data")["spec"]


def test_a_claim_of_several_access_modes_and_a_selector_binds() -> None:
    offer = volume(accessModes=["ReadWriteOnce", "ReadOnlyMany"], labels={"tier": "fast"})
    wish = claim(accessModes=["ReadOnlyMany"], selector={"matchLabels": {"tier": "fast"}})
    assert claim_phase(Storage(offer, wish).settle()) == "Bound"


def test_without_volume_and_class_the_claim_waits_and_says_so() -> None:
    storage = Storage(claim()).settle()
    text = "no persistent volumes available for this claim and no storage class is set"
    assert storage.events == [("data", "Normal", "FailedBinding", text)]


# --- pre-binding


def test_a_volume_reserved_for_the_claim_is_taken_before_a_smaller_one_and_stays_the_users() -> None:
    reserved = volume("mine", "9Gi", claimRef=names(claim()))
    storage = Storage(volume("small"), reserved, claim()).settle()
    mine = storage.get("PersistentVolume", "mine")
    assert mine["spec"]["claimRef"]["uid"] == "uid-data"
    assert BOUND_BY not in meta.annotations(mine)
    assert phase(storage, "PersistentVolume", "small") == "Available"


def test_a_volume_reserved_for_nobody_yet_is_available() -> None:
    assert (
        phase(Storage(volume(phase="Pending", claimRef=names(claim()))).settle(), "PersistentVolume", "disk")
        == "Available"
    )


def test_a_claim_that_names_its_volume_waits_for_it_and_gets_it() -> None:
    storage = Storage(claim(volumeName="disk")).settle()
    assert claim_phase(storage) == "Pending"
    storage = Storage(*storage.objects.values(), volume()).settle()
    assert claim_phase(storage) == "Bound"
    assert meta.annotations(storage.get("PersistentVolumeClaim", "data")) == {COMPLETED: "yes"}


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        ({"size": "1Mi"}, "requested PV is too small"),
        ({"storageClassName": "gold"}, "storageClassName does not match"),
        ({"volumeMode": "Block"}, "incompatible volumeMode"),
        ({"accessModes": ["ReadOnlyMany"]}, "incompatible accessMode"),
        ({"volumeAttributesClassName": "quick"}, "volumeAttributesClassName does not match"),
    ],
)
def test_a_named_volume_that_cannot_hold_the_claim_is_refused(offered: Object, why: str) -> None:
    storage = Storage(claim(volumeName="disk"), volume(**offered)).settle()
    text = f'Cannot bind to requested volume "disk": {why}'
    assert storage.events == [("data", "Warning", "VolumeMismatch", text)]
    assert claim_phase(storage) == "Pending"


def test_a_named_volume_of_another_claim_is_waited_for() -> None:
    taken = volume(phase="Bound", claimRef=names(claim("other"), "uid-other"))
    storage = Storage(
        claim(volumeName="disk"), taken, claim("other", volumeName="disk", annotations={COMPLETED: "yes"})
    )
    storage.settle()
    assert (
        "data",
        "Warning",
        "FailedBinding",
        'volume "disk" already bound to a different claim.',
    ) in storage.events


# --- classes


def test_a_class_with_a_provisioner_is_asked_for_a_volume() -> None:
    storage = Storage(storage_class("gold"), claim(storage_class="gold")).settle()
    marks = meta.annotations(storage.get("PersistentVolumeClaim", "data"))
    assert marks == {"volume.beta.kubernetes.io/storage-provisioner": "example.com/disks",
                     "volume.kubernetes.io/storage-provisioner": "example.com/disks"}  # fmt: skip
    (event,) = storage.events
    assert event == (
        "data", "Normal", "ExternalProvisioning",
        "Waiting for a volume to be created either by the external provisioner 'example.com/disks' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        ([], 'storageclass.storage.k8s.io "gold" not found'),
        (
            [storage_class("gold", provisioner="kubernetes.io/no-provisioner")],
            "no volume plugin matched name: kubernetes.io/no-provisioner",
        ),
    ],
)
def test_a_class_that_cannot_provision_says_why(classes: list[Object], why: str) -> None:
    storage = Storage(*classes, claim(storage_class="gold")).settle()
    assert storage.events == [("data", "Warning", "ProvisioningFailed", why)]


def test_a_late_class_waits_for_a_pod_and_takes_no_volume_meanwhile() -> None:
    late = storage_class("late", LATE)
    storage = Storage(late, volume(storageClassName="late"), claim(storage_class="late")).settle()
    text = "waiting for first consumer to be created before binding"
    assert storage.events == [("data", "Normal", "WaitForFirstConsumer", text)]
    assert claim_phase(storage) == "Pending"


def test_a_late_class_names_the_pods_that_are_not_scheduled() -> None:
    mounts = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": mounts}
            for name in ("a", "b")]  # fmt: skip
    storage = Storage(storage_class("late", LATE), claim(storage_class="late"), *pods).settle()
    assert storage.events == [
        ("data", "Normal", "WaitForPodScheduled", "waiting for pods a,b to be scheduled")
    ]


def test_a_late_class_provisions_once_the_scheduler_has_chosen_a_node() -> None:
    wish = claim(storage_class="late", annotations={SELECTED: "n1"})
    storage = Storage(storage_class("late", LATE), wish).settle()
    assert [event[2] for event in storage.events] == ["ExternalProvisioning"]


def test_a_late_class_binds_what_the_scheduler_reserved() -> None:
    wish = claim(storage_class="late")
    reserved = volume(
        storageClassName="late", claimRef=names(wish, "uid-data"), annotations={BOUND_BY: "yes"}
    )
    assert claim_phase(Storage(storage_class("late", LATE), wish, reserved).settle()) == "Bound"


@pytest.mark.parametrize(("asked", "expected"), [(None, "newer"), ("", "")])
def test_a_claim_without_a_class_gets_the_default_that_appears_later(
    asked: str | None, expected: str
) -> None:
    classes = [
        storage_class("older", default=True),
        storage_class("newer", default=True, created="2026-01-02T00:00:00Z"),
    ]
    storage = Storage(claim(storage_class=asked), *classes).settle()
    assert storage.get("PersistentVolumeClaim", "data")["spec"]["storageClassName"] == expected


# --- the end


def bound(**offered: Any) -> Storage:
    return Storage(volume(**offered), claim()).settle()


def test_a_claim_whose_volume_is_gone_is_lost() -> None:
    storage = bound()
    storage.remove("PersistentVolume", "disk")
    storage.settle()
    assert claim_phase(storage) == "Lost"
    text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert storage.events == [("data", "Warning", "ClaimLost", text)]


def test_a_claim_bound_to_a_volume_of_another_is_lost() -> None:
    wrong = claim(volumeName="disk", annotations={COMPLETED: "yes"}, phase="Bound")
    storage = Storage(
        volume(phase="Bound", claimRef=names(claim("other"), "uid-other")), claim("other"), wrong
    )
    storage.settle()
    assert claim_phase(storage) == "Lost"
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    assert ("data", "Warning", "ClaimMisbound", text) in storage.events


def test_a_volume_that_lost_its_reference_is_bound_again() -> None:
    storage = bound()
    storage.objects["PersistentVolume", "", "disk"]["spec"].pop("claimRef")
    storage.settle()
    assert storage.get("PersistentVolume", "disk")["spec"]["claimRef"]["uid"] == "uid-data"


@pytest.mark.parametrize(
    ("policy", "expected", "events"),
    [
        ("Retain", "Released", []),
        (
            "Recycle", "Failed",
            [("disk", "Warning", "VolumeFailedRecycle", "No recycler plugin found for the volume!")],
        ),
        (
            "Delete", "Failed",
            [("disk", "Warning", "VolumeFailedDelete",
              'error getting deleter volume plugin for volume "disk": no deletable volume plugin matched')],
        ),
    ],
)  # fmt: skip
def test_a_volume_without_its_claim_is_reclaimed_as_it_says(
    policy: str, expected: str, events: list[Any]
) -> None:
    storage = bound(persistentVolumeReclaimPolicy=policy)
    storage.remove("PersistentVolumeClaim", "data")
    storage.settle()
    assert phase(storage, "PersistentVolume", "disk") == expected
    assert storage.events == events


def test_a_provisioned_volume_is_left_to_its_provisioner() -> None:
    storage = bound(persistentVolumeReclaimPolicy="Delete", annotations={PROVISIONED: "example.com/disks"})
    storage.remove("PersistentVolumeClaim", "data")
    storage.settle()
    assert (phase(storage, "PersistentVolume", "disk"), storage.events) == ("Released", [])


def test_a_released_volume_does_not_serve_a_new_claim_of_the_same_name() -> None:
    storage = bound()
    storage.remove("PersistentVolumeClaim", "data")
    again = claim()
    again["metadata"]["uid"] = "uid-again"
    storage = Storage(*storage.objects.values(), again).settle()
    assert (phase(storage, "PersistentVolume", "disk"), claim_phase(storage)) == ("Released", "Pending")


def test_a_volume_made_for_a_claim_that_is_not_known_yet_is_given_time() -> None:
    fresh = volume(phase="Pending", claimRef=names(claim(), "uid-data"))
    storage = Storage(fresh).settle()
    assert phase(storage, "PersistentVolume", "disk") == "Pending"
    assert storage.requeued[0] == 5.0
    storage.advance(6)
    assert phase(storage.settle(), "PersistentVolume", "disk") == "Released"


@pytest.mark.parametrize("by_controller", [True, False])
def test_of_two_volumes_for_one_claim_the_second_is_given_back(by_controller: bool) -> None:
    marks = {BOUND_BY: "yes"} if by_controller else {}
    served = claim(volumeName="disk", annotations={COMPLETED: "yes"}, phase="Bound")
    disk = volume(phase="Bound", claimRef=names(served, "uid-data"))
    second = volume("second", phase="Bound", claimRef=names(served, "uid-data"), annotations=marks)
    storage = Storage(disk, second, served).settle()
    left = storage.get("PersistentVolume", "second")
    assert left["status"]["phase"] == "Available"
    assert left["spec"].get("claimRef") == (None if by_controller else names(served))


def test_a_second_volume_that_was_provisioned_is_released() -> None:
    served = claim(volumeName="disk", annotations={COMPLETED: "yes"}, phase="Bound")
    disk = volume(phase="Bound", claimRef=names(served, "uid-data"))
    spare = volume("spare", claimRef=names(served, "uid-data"), persistentVolumeReclaimPolicy="Delete",
                   annotations={PROVISIONED: "example.com/disks"})  # fmt: skip
    assert phase(Storage(disk, spare, served).settle(), "PersistentVolume", "spare") == "Released"
