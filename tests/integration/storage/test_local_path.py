"""The provisioner's directories: made for volumes of this machine's node, gone with them, and nothing else is touched."""

from pathlib import Path
from typing import Any

import pytest

from integration.storage.test_volumes import claim, messages, pod, runs, storage_class
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.volumes.local_path import LocalPathConfig
from pinnace.controllers.volumes.local_path_volumes import refusal
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]


def cluster_in(directory: Path, node: str = "sim-0") -> SimulatedCluster:
    """One node, whose files are those of this machine."""
    settings = ControllersConfig(local_path=LocalPathConfig(directory / "storage", node))
    return SimulatedCluster(directory, nodes=1, controllers_config=settings)


async def directory_of(cluster: SimulatedCluster, name: str = "data") -> Path:
    data = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, name)
    disk = await cluster.get(r.PERSISTENT_VOLUMES, data["spec"]["volumeName"])
    return Path(disk["spec"]["hostPath"]["path"])


async def let_go(cluster: SimulatedCluster) -> None:
    await cluster.client.delete(r.PODS, "p", "default", grace_period_seconds=0)
    await cluster.client.delete(r.PERSISTENT_VOLUME_CLAIMS, "data", "default")


async def no_volumes(cluster: SimulatedCluster) -> bool:
    return not await cluster.list(r.PERSISTENT_VOLUMES)


async def test_a_directory_lives_as_long_as_its_volume(tmp_path: Path) -> None:
    async with cluster_in(tmp_path) as cluster:
        await cluster.create(storage_class())
        await cluster.create(claim())
        await cluster.create(pod("p", "data"))
        await cluster.until(lambda: runs(cluster))
        directory = await directory_of(cluster)
        assert directory.parent == tmp_path / "storage"
        assert directory.stat().st_mode & 0o777 == 0o777, "containers write as any user"
        (directory / "kept").mkdir()
        (directory / "kept" / "file").touch()
        await let_go(cluster)
        await cluster.until(lambda: no_volumes(cluster))
        assert not directory.exists()


async def test_a_retained_directory_stays_when_its_volume_is_deleted(tmp_path: Path) -> None:
    async with cluster_in(tmp_path) as cluster:
        await cluster.create(storage_class(reclaimPolicy="Retain"))
        await cluster.create(claim())
        await cluster.create(pod("p", "data"))
        await cluster.until(lambda: runs(cluster))
        directory = await directory_of(cluster)
        name = (await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data"))["spec"]["volumeName"]
        await let_go(cluster)
        await cluster.client.delete(r.PERSISTENT_VOLUMES, name)
        await cluster.until(lambda: no_volumes(cluster))
        assert directory.is_dir()


async def test_a_volume_deleted_before_its_claim_takes_its_directory_along(tmp_path: Path) -> None:
    async with cluster_in(tmp_path) as cluster:
        await cluster.create(storage_class())
        await cluster.create(claim())
        await cluster.create(pod("p", "data"))
        await cluster.until(lambda: runs(cluster))
        directory = await directory_of(cluster)
        await cluster.client.delete(
            r.PERSISTENT_VOLUMES,
            (await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data"))["spec"]["volumeName"],
        )
        await cluster.settle()
        assert directory.is_dir(), "it is bound"
        await let_go(cluster)
        await cluster.until(lambda: no_volumes(cluster))
        assert not directory.exists()


async def test_a_directory_that_cannot_be_made_is_told_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "storage").touch()
    async with cluster_in(tmp_path) as cluster:
        await cluster.create(storage_class())
        await cluster.create(claim())
        await cluster.create(pod("p", "data"))

        async def told() -> bool:
            (text,) = set(await messages(cluster, "ProvisioningFailed"))
            start = 'failed to provision volume with StorageClass "local-path": '
            return text.startswith(start) and "storage" in text

        await cluster.until(told)
        (tmp_path / "storage").unlink()
        await cluster.until(lambda: runs(cluster))
        assert (await directory_of(cluster)).is_dir()


@pytest.mark.parametrize(
    "path", ["/", "/etc", "{storage}", "{storage}/other", "{storage}/../pvc-x", "{storage}/pvc-a/pvc-b"]
)
async def test_only_its_own_directories_are_removed(tmp_path: Path, path: str) -> None:
    """Whoever may write volumes must not make it delete anything else."""
    async with cluster_in(tmp_path) as cluster:
        (tmp_path / "storage" / "other").mkdir(parents=True)
        (tmp_path / "pvc-x").mkdir()
        (tmp_path / "storage" / "pvc-a" / "pvc-b").mkdir(parents=True)
        gone = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": "default",
            "name": "gone",
            "uid": "u",
        }
        metadata = {
            "name": "evil",
            "annotations": {
                "pv.kubernetes.io/provisioned-by": "rancher.io/local-path",
                "local.path.provisioner/selected-node": "sim-0",
            },
        }
        where = path.format(storage=tmp_path / "storage")
        if ".." in where:
            where = str(tmp_path / "pvc-x")
        spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "claimRef": gone,
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": where}}  # fmt: skip
        await cluster.create(
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
        )

        async def refused() -> bool:
            return await messages(cluster, "VolumeFailedDelete") == [
                f"{where} is not a directory of this provisioner"
            ]

        await cluster.until(refused)
        assert all((tmp_path / one).is_dir() for one in ("storage/other", "pvc-x", "storage/pvc-a/pvc-b"))


async def test_a_node_that_is_gone_is_replaced_by_another(tmp_path: Path) -> None:
    async with cluster_in(tmp_path, node="") as cluster:
        await cluster.create(storage_class())
        wish = claim()
        wish["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "nowhere"}
        await cluster.create(wish)

        async def released() -> bool:
            data = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data")
            return "volume.kubernetes.io/selected-node" not in meta.annotations(data)

        await cluster.until(released)
        await cluster.create(pod("p", "data"))
        await cluster.until(lambda: runs(cluster))
        assert not (await directory_of(cluster)).exists(), "a simulated node has no files"


@pytest.mark.parametrize(
    ("spec", "parameters", "why"),
    [
        ({"volumeMode": "Block"}, {}, "rancher.io/local-path does not support block volume provisioning"),
        ({"selector": {"matchLabels": {"a": "b"}}}, {}, "claim.Spec.Selector is not supported"),
        ({"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}}, {}, "dataSource is not supported"),
        ({}, {"nodePath": "/x"}, "parameters are not supported: nodePath"),
        ({}, {}, "configuration error, no node was specified"),
    ],
)
def test_what_a_directory_cannot_do_is_refused(spec: Object, parameters: Object, why: str) -> None:
    found = refusal(claim(**spec), storage_class(parameters=parameters))
    assert found.endswith(why)
