"""What a CSI driver is told of a volume: capabilities, attributes, who gives files to the pod's group."""

import json
from typing import Any

import pytest

from pinnace.kubelet.csi import source as rules
from pinnace.kubelet.csi.drivers import check_versions
from pinnace.kubelet.csi.source import CsiSource, inline, persistent
from pinnace.net.csi.messages import NodeCapability, csi_classes
from pinnace.net.grpc_sockets import RpcError

Object = dict[str, Any]
POD = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"serviceAccountName": "bot"}}


def volume(*modes: str, **csi: Any) -> CsiSource:
    spec = {
        "accessModes": list(modes),
        "mountOptions": ["noatime"],
        "csi": {"driver": "d", "volumeHandle": "h", **csi},
    }
    return persistent({"metadata": {"name": "pv"}, "spec": spec}, {}, read_only=False)


def kind(**spec: Any) -> Object:
    return {"metadata": {"name": "d"}, "spec": spec}


@pytest.mark.parametrize(
    ("modes", "can", "expected"),
    [
        (["ReadWriteOnce"], (), 1),
        (["ReadWriteOncePod"], (), 1),
        (["ReadOnlyMany"], (), 3),
        (["ReadWriteMany"], (), 5),
        (["ReadWriteOnce"], (NodeCapability.SINGLE_NODE_MULTI_WRITER,), 7),
        (["ReadWriteOncePod"], (NodeCapability.SINGLE_NODE_MULTI_WRITER,), 6),
        ([], (), 1),
    ],
)
def test_access_modes(modes: list[str], can: tuple[int, ...], expected: int) -> None:
    said = rules.capability(volume(*modes, fsType="xfs"), frozenset(can), None)
    assert said["access_mode"]["mode"] == expected
    assert said["mount"] == {"fs_type": "xfs", "mount_flags": ["noatime"]}
    csi_classes()["NodeStageVolumeRequest"](volume_capability=said)


def test_the_group_goes_to_drivers_that_apply_it() -> None:
    said = rules.capability(volume("ReadWriteOnce"), frozenset({NodeCapability.MOUNT_GROUP}), 7)
    assert said["mount"]["volume_mount_group"] == "7"
    assert "volume_mount_group" not in rules.capability(volume("ReadWriteOnce"), frozenset(), 7)["mount"]


@pytest.mark.parametrize(
    ("source", "driver", "expected"),
    [
        (volume("ReadWriteOnce", fsType="ext4"), None, True),
        (volume("ReadWriteOnce"), None, False),
        (volume("ReadWriteMany", fsType="ext4"), kind(), False),
        (volume("ReadWriteMany"), kind(fsGroupPolicy="File"), True),
        (volume("ReadWriteOnce", fsType="ext4"), kind(fsGroupPolicy="None"), False),
    ],
)
def test_who_sets_the_group(source: CsiSource, driver: Object | None, expected: bool) -> None:
    assert rules.we_set_group(source, frozenset(), 7, driver) is expected
    assert not rules.we_set_group(source, frozenset({NodeCapability.MOUNT_GROUP}), 7, driver)
    assert not rules.we_set_group(source, frozenset(), None, driver)


def test_pod_information_only_for_drivers_that_want_it() -> None:
    one = inline(POD, {"name": "v", "csi": {"driver": "d"}})
    assert rules.pod_attributes(one, POD, None) == rules.pod_attributes(one, POD, kind()) == {}
    said = rules.pod_attributes(one, POD, kind(podInfoOnMount=True))
    assert said["csi.storage.k8s.io/ephemeral"] == "true"
    assert said["csi.storage.k8s.io/serviceAccount.name"] == "bot"


def test_tokens_are_one_attribute() -> None:
    assert rules.token_attribute({}) == {}
    found = rules.token_attribute({"": {"token": "t", "expirationTimestamp": "e"}})
    assert json.loads(found["csi.storage.k8s.io/serviceAccount.tokens"]) == {
        "": {"token": "t", "expirationTimestamp": "e"}
    }


def test_volume_modes() -> None:
    one = inline(POD, {"name": "v", "csi": {"driver": "d"}})
    start = 'volume mode "Ephemeral" not supported by driver d'
    assert rules.lifecycle_problem(one, None) == f"{start} (no CSIDriver object)"
    assert rules.lifecycle_problem(one, kind()) == f'{start} (only supports ["Persistent"])'
    assert rules.lifecycle_problem(one, kind(volumeLifecycleModes=["Persistent", "Ephemeral"])) == ""
    assert rules.lifecycle_problem(volume(), None) == ""
    assert not rules.needs_attachment(one, None)
    assert rules.needs_attachment(volume(), None)
    assert not rules.needs_attachment(volume(), kind(attachRequired=False))


@pytest.mark.parametrize("versions", [(), ("0.3.0",), ("2.0",), ("nonsense",)])
def test_only_csi_1_is_spoken(versions: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="plugin registration handler failed for driver d"):
        check_versions("d", versions)
    check_versions("d", ("0.3.0", "v1.8.0"))


def test_errors_read_as_go_prints_them() -> None:
    assert str(RpcError("FAILED_PRECONDITION", "no")) == "rpc error: code = FailedPrecondition desc = no"
    assert str(RpcError("CANCELLED", "")) == "rpc error: code = Canceled desc = "
    assert RpcError("INTERNAL", "").is_final
    assert not RpcError("DEADLINE_EXCEEDED", "").is_final
