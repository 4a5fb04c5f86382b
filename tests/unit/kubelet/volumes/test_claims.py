"""Claims as a pod's volumes: which directory a container gets, and what is said while there is none."""

from pathlib import Path
from typing import Any

import pytest

from pinnace.kubelet.volumes.catalog import is_read_only
from pinnace.kubelet.volumes.plugin import VolumeContext
from pinnace.kubelet.volumes.set import set_up_all

Object = dict[str, Any]
MOUNT = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}


class Objects:
    """The claims and volumes that the API has."""

    def __init__(self, *objects: Object) -> None:
        self._objects = {(one["kind"], one["metadata"]["name"]): one for one in objects}

    async def claim(self, name: str) -> Object | None:
        return self._objects.get(("PersistentVolumeClaim", name))

    async def persistent_volume(self, name: str) -> Object | None:
        return self._objects.get(("PersistentVolume", name))

    async def config_map(self, name: str) -> Object | None:
        raise AssertionError(name)

    async def secret(self, name: str) -> Object | None:
        raise AssertionError(name)

    async def csi_driver(self, name: str) -> Object | None:
        raise AssertionError(name)

    async def token_status(self, audience: str, seconds: int) -> tuple[str, str]:
        raise AssertionError(audience)

    async def token(self, audience: str, seconds: int) -> str:
        raise AssertionError(audience)


def claim(phase: str = "Bound", **metadata: Any) -> Object:
    return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "spec": {"volumeName": "disk"}, "status": {"phase": phase},
            "metadata": {"name": "data", "namespace": "default", "uid": "u", **metadata}}  # fmt: skip


def volume(**source: Any) -> Object:
    return {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": "disk"},
            "spec": {"claimRef": {"uid": "u"}, **source}}  # fmt: skip


async def set_up(
    tmp_path: Path, mount: Object, *objects: Object, group: int | None = None
) -> tuple[dict[str, Path], list[str]]:
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "default", "uid": "p-uid"},
           "spec": {"volumes": [mount], "securityContext": {"fsGroup": group}}}  # fmt: skip
    paths, failures = await set_up_all(
        tmp_path / "volumes", VolumeContext(pod, Objects(*objects), {}, {}, "s", 1)
    )
    return paths, [failure.event for failure in failures]


async def test_a_host_path_is_made_when_it_says_so(tmp_path: Path) -> None:
    source = {"hostPath": {"path": str(tmp_path / "made"), "type": "DirectoryOrCreate"}}
    paths, failures = await set_up(tmp_path, MOUNT, claim(), volume(**source))
    assert (paths, failures) == ({"v": tmp_path / "made"}, [])
    assert (tmp_path / "made").is_dir()


async def test_a_local_volume_must_be_there(tmp_path: Path) -> None:
    local = {"local": {"path": str(tmp_path / "disk")}}
    _, failures = await set_up(tmp_path, MOUNT, claim(), volume(**local))
    assert failures == [f'MountVolume.SetUp failed for volume "disk" : path "{tmp_path}/disk" does not exist']
    (tmp_path / "disk").mkdir()
    assert await set_up(tmp_path, MOUNT, claim(), volume(**local)) == ({"v": tmp_path / "disk"}, [])


async def test_a_local_volume_belongs_to_the_pods_group(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "disk" / "file").touch(mode=0o600)
    (tmp_path / "disk" / "link").symlink_to("/etc/hostname")
    group = (tmp_path / "disk").stat().st_gid
    disk = volume(local={"path": str(tmp_path / "disk")})
    await set_up(tmp_path, MOUNT, claim(), disk, group=group)
    assert (tmp_path / "disk").stat().st_mode & 0o7777 == 0o2770
    assert (tmp_path / "disk" / "file").stat().st_mode & 0o777 == 0o660
    (tmp_path / "disk" / "file").chmod(0o600)
    await set_up(tmp_path, MOUNT, claim(), disk, group=group)
    assert (tmp_path / "disk" / "file").stat().st_mode & 0o777 == 0o600, "only when the pod gets it"


WAITING = "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: error processing PVC default/data: "


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ([], 'failed to fetch PVC from API server: persistentvolumeclaims "data" not found'),
        ([claim("Pending")], "PVC is not bound"),
        (
            [claim(deletionTimestamp="2026-01-01T00:00:00Z"), volume(local={"path": "/"})],
            "PVC is being deleted",
        ),
        ([claim()], 'failed to fetch PV disk from API server: persistentvolumes "disk" not found'),
        ([claim(uid="other"), volume(local={"path": "/"})], 'found wrong PVC "u" for PV disk'),
    ],
)
async def test_a_claim_that_is_not_ready_is_waited_for(
    tmp_path: Path, objects: list[Object], why: str
) -> None:
    assert await set_up(tmp_path, MOUNT, *objects) == ({}, [WAITING + why])


async def test_a_pod_that_has_the_volume_keeps_it_when_its_claim_is_deleted(tmp_path: Path) -> None:
    disk = volume(local={"path": str(tmp_path)})
    await set_up(tmp_path, MOUNT, claim(), disk)
    paths, failures = await set_up(tmp_path, MOUNT, claim(deletionTimestamp="2026-01-01T00:00:00Z"), disk)
    assert (paths, failures) == ({"v": tmp_path}, [])


async def test_an_ephemeral_volume_takes_only_a_claim_of_this_pod(tmp_path: Path) -> None:
    mount = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}
    mine = claim(name="p-scratch", ownerReferences=[{"controller": True, "uid": "p-uid"}])
    disk = volume(local={"path": str(tmp_path)})
    assert (await set_up(tmp_path, mount, mine, disk))[0] == {"scratch": tmp_path}
    _, (failure,) = await set_up(tmp_path, mount, claim(name="p-scratch"), disk)
    assert failure.endswith("PVC default/p-scratch was not created for pod default/p (pod is not owner)")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"nfs": {"server": "a.example"}}, 'MountVolume.SetUp failed for volume "disk" : no volume plugin matched the volume disk: nfs is not supported on this node'),
        ({"local": {"path": "/"}, "volumeMode": "Block"}, 'MapVolume.SetUpDevice failed for volume "disk" : path / for local volume disk is not a block device'),
        ({"hostPath": {"path": "/"}, "volumeMode": "Block"}, 'MapVolume.SetUpDevice failed for volume "disk" : no volume plugin matched the volume disk: hostPath volumes cannot be block devices: use a local volume'),
    ],
)  # fmt: skip
async def test_other_kinds_are_refused(tmp_path: Path, source: Object, why: str) -> None:
    _, failures = await set_up(tmp_path, MOUNT, claim(), volume(**source))
    assert failures == [why]


def test_a_claim_may_be_mounted_read_only() -> None:
    assert is_read_only({"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}})
    assert not is_read_only(MOUNT)
