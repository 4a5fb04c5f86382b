"""What external-provisioner would make of a claim: requests, secrets, topology, the volume."""

from typing import Any

import pytest

from pinnace.controllers.volumes.csi import rules
from pinnace.controllers.volumes.csi.rules import Refused, Wish
from pinnace.net.csi.messages import csi_classes

Object = dict[str, Any]


def claim(**spec: Any) -> Object:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {
        "metadata": {"name": "data", "namespace": "web", "uid": "u1", "annotations": {"team": "red"}},
        "spec": body,
    }


def storage_class(parameters: dict[str, str] | None = None, **fields: Any) -> Object:
    return {"metadata": {"name": "fast"}, "provisioner": "d", "parameters": parameters or {}, **fields}


def wish(parameters: dict[str, str] | None = None, can: frozenset[int] = frozenset(), **spec: Any) -> Wish:
    return Wish(claim(**spec), storage_class(parameters, mountOptions=["noatime"]), "d", can)


def test_a_request_holds_what_the_class_and_the_claim_say() -> None:
    said = rules.create_request(wish({"kind": "ssd", "csi.storage.k8s.io/fstype": "xfs"}), {"a": "b"})
    assert (said["name"], said["parameters"], said["secrets"]) == ("pvc-u1", {"kind": "ssd"}, {"a": "b"})
    assert said["capacity_range"] == {"required_bytes": 1 << 30}
    (one,) = said["volume_capabilities"]
    assert one == {"mount": {"fs_type": "xfs", "mount_flags": ["noatime"]}, "access_mode": {"mode": 1}}
    csi_classes()["CreateVolumeRequest"](**said)


def test_a_block_volume_has_no_file_system() -> None:
    (one,) = rules.create_request(wish(volumeMode="Block"), {})["volume_capabilities"]
    assert one == {"block": {}, "access_mode": {"mode": 1}}


def test_secrets_are_named_by_templates() -> None:
    names = {
        "csi.storage.k8s.io/node-stage-secret-name": "${pvc.name}-${pvc.annotations['team']}",
        "csi.storage.k8s.io/node-stage-secret-namespace": "${pvc.namespace}",
    }
    assert rules.secret_of(wish(names), "node-stage") == ("web", "data-red")
    assert rules.secret_of(wish(names), "node-publish") is None
    with pytest.raises(Refused, match="both must be specified"):
        rules.secret_of(wish({"csi.storage.k8s.io/node-stage-secret-name": "x"}), "node-stage")
    wrong = {**names, "csi.storage.k8s.io/node-stage-secret-namespace": "${pvc.name}"}
    with pytest.raises(Refused, match="invalid tokens"):
        rules.secret_of(wish(wrong), "node-stage")


def test_the_volume_says_where_it_can_be_reached() -> None:
    made = csi_classes()["Volume"](
        volume_id="h", capacity_bytes=3 << 20, volume_context={"k": "v"}, accessible_topology=[{"segments": {"zone": "a"}}]
    )  # fmt: skip
    names = {
        "csi.storage.k8s.io/provisioner-secret-name": "key",
        "csi.storage.k8s.io/provisioner-secret-namespace": "kube-system",
        "csi.storage.k8s.io/fstype": "ext4",
    }
    volume = rules.volume_for(wish(names), made, "id-1")
    spec = volume["spec"]
    assert (spec["capacity"], spec["mountOptions"], spec["persistentVolumeReclaimPolicy"]) == ({"storage": "3Mi"}, ["noatime"], "Delete")  # fmt: skip
    assert spec["csi"] == {
        "driver": "d", "volumeHandle": "h", "fsType": "ext4",
        "volumeAttributes": {"k": "v", "storage.kubernetes.io/csiProvisionerIdentity": "id-1"},
    }  # fmt: skip
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    assert spec["nodeAffinity"]["required"]["nodeSelectorTerms"] == terms
    notes = volume["metadata"]["annotations"]
    assert notes[rules.DELETE_SECRET_NAME] == "key"
    assert rules.is_to_be_deleted({**volume, "status": {"phase": "Released"}}, "d")
    assert not rules.is_to_be_deleted({**volume, "status": {"phase": "Bound"}}, "d")
    assert not rules.is_to_be_deleted({**volume, "status": {"phase": "Released"}}, "other")


def nodes() -> dict[str, dict[str, str]]:
    listed = [
        {"metadata": {"name": name}, "spec": {"drivers": [{"name": "d", "topologyKeys": ["zone"]}]}}
        for name in ("n1", "n2", "n3", "n4")
    ]
    labels = {"n1": {"zone": "a"}, "n2": {"zone": "b"}, "n3": {"zone": "b"}, "n4": {}}
    there = {name: {"metadata": {"name": name, "labels": found}} for name, found in labels.items()}
    return {name: dict(one) for name, one in rules.topologies("d", listed, there).items()}


def test_the_chosen_nodes_place_comes_first() -> None:
    assert nodes() == {"n1": {"zone": "a"}, "n2": {"zone": "b"}, "n3": {"zone": "b"}}
    requisite, preferred = rules.requirement(nodes(), "n3", storage_class())
    assert requisite == ({"zone": "a"}, {"zone": "b"})
    assert preferred == ({"zone": "b"}, {"zone": "a"})


def test_the_class_may_narrow_the_places() -> None:
    allowed = [{"matchLabelExpressions": [{"key": "zone", "values": ["a"]}]}]
    narrow = storage_class(allowedTopologies=allowed)
    assert rules.requirement(nodes(), "n1", narrow)[0] == ({"zone": "a"},)
    with pytest.raises(Refused, match="is not in requisite"):
        rules.requirement(nodes(), "n2", narrow)


@pytest.mark.parametrize(
    "spec", [{"selector": {"matchLabels": {"a": "b"}}}, {"dataSource": {"kind": "VolumeSnapshot"}}]
)
def test_what_needs_a_sidecar_is_refused(spec: Object) -> None:
    assert rules.refusal(claim()) == ""
    assert rules.refusal(claim(**spec))
