"""Claims, volumes and pods on a simulated cluster: from the wish to the running pod, and what is left afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.volumes.local_path import LocalPathConfig
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[SimulatedCluster]:
    settings = ControllersConfig(local_path=LocalPathConfig(tmp_path / "storage"))
    async with SimulatedCluster(
        tmp_path, nodes=3, zones=("a", "b", "c"), controllers_config=settings
    ) as made:
        yield made


def storage_class(name: str = "local-path", *, late: bool = True, **more: Any) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "rancher.io/local-path", "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer" if late else "Immediate", **more,
    }  # fmt: skip


def claim(name: str = "data", size: str = "1Gi", **spec: Any) -> Object:
    given = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": given}


def volume(name: str, size: str = "1Gi", node: str = "", **spec: Any) -> Object:
    given: Object = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, "local": {"path": "/x"},
                     "storageClassName": "static", **spec}  # fmt: skip
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    given["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": given}


def pod(name: str = "p", *claims: str, **spec: Any) -> Object:
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    spec = {"containers": [{"name": "main", "image": "x"}], "volumes": volumes, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


async def phase(cluster: SimulatedCluster, gvr: Any, name: str) -> str:
    found: str = (await cluster.get(gvr, name))["status"]["phase"]
    return found


async def runs(cluster: SimulatedCluster, name: str = "p") -> bool:
    return await phase(cluster, r.PODS, name) == "Running"


async def is_bound(cluster: SimulatedCluster, name: str = "data") -> bool:
    return await phase(cluster, r.PERSISTENT_VOLUME_CLAIMS, name) == "Bound"


async def messages(cluster: SimulatedCluster, reason: str) -> list[str]:
    return [one["message"] for one in await cluster.list(r.EVENTS) if one["reason"] == reason]


async def test_a_pod_gets_a_volume_of_the_default_class_on_its_node(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim())
    await cluster.settle()
    assert not await is_bound(cluster)
    await cluster.create(pod("p", "data"))
    await cluster.until(lambda: runs(cluster))
    data, node = (
        await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data"),
        (await cluster.get(r.PODS, "p"))["spec"]["nodeName"],
    )
    assert meta.annotations(data)["volume.kubernetes.io/selected-node"] == node
    disk = await cluster.get(r.PERSISTENT_VOLUMES, data["spec"]["volumeName"])
    assert disk["status"]["phase"] == "Bound"
    (term,) = disk["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == [node]
    assert disk["spec"]["hostPath"]["path"].endswith(f"{meta.name(disk)}_default_data")
    assert await messages(cluster, "ProvisioningSucceeded") == [
        f"Successfully provisioned volume {meta.name(disk)}"
    ]


async def test_a_pod_that_comes_again_goes_to_its_volume(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim())
    nodes = set()
    for turn in range(4):
        await cluster.create(pod(f"p{turn}", "data"))
        await cluster.until(lambda turn=turn: runs(cluster, f"p{turn}"))
        nodes.add((await cluster.get(r.PODS, f"p{turn}"))["spec"]["nodeName"])
        await cluster.client.delete(r.PODS, f"p{turn}", "default", grace_period_seconds=0)
    assert len(nodes) == 1


async def test_a_deleted_claim_takes_its_volume_along_when_no_pod_uses_it(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim())
    await cluster.create(pod("p", "data"))
    await cluster.until(lambda: runs(cluster))
    await cluster.client.delete(r.PERSISTENT_VOLUME_CLAIMS, "data", "default")
    await cluster.settle()
    assert await is_bound(cluster), "a pod uses it"
    await cluster.client.delete(r.PODS, "p", "default", grace_period_seconds=0)

    async def nothing_left() -> bool:
        return not await cluster.list(r.PERSISTENT_VOLUMES) and not await cluster.list(
            r.PERSISTENT_VOLUME_CLAIMS
        )

    await cluster.until(nothing_left)


async def test_a_volume_to_retain_is_released_with_its_claim(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class(reclaimPolicy="Retain"))
    await cluster.create(claim())
    await cluster.create(pod("p", "data"))
    await cluster.until(lambda: runs(cluster))
    name = (await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data"))["spec"]["volumeName"]
    await cluster.client.delete(r.PODS, "p", "default", grace_period_seconds=0)
    await cluster.client.delete(r.PERSISTENT_VOLUME_CLAIMS, "data", "default")

    async def released() -> bool:
        return await phase(cluster, r.PERSISTENT_VOLUMES, name) == "Released"

    await cluster.until(released)
    await cluster.client.delete(r.PERSISTENT_VOLUMES, name)
    await cluster.until(lambda: cluster.is_gone(r.PERSISTENT_VOLUMES, name))


async def test_a_claim_grows(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim())
    await cluster.create(pod("p", "data"))
    await cluster.until(lambda: runs(cluster))
    wish = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
    await cluster.client.patch(r.PERSISTENT_VOLUME_CLAIMS, "data", wish, "default")

    async def grown() -> bool:
        data = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data")
        disk = await cluster.get(r.PERSISTENT_VOLUMES, data["spec"]["volumeName"])
        return data["status"]["capacity"] == disk["spec"]["capacity"] == {"storage": "5Gi"}

    await cluster.until(grown)
    assert await messages(cluster, "VolumeResizeSuccessful") == ["Resize volume succeeded"]


async def test_an_access_mode_that_a_directory_cannot_have_is_refused(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim(accessModes=["ReadWriteMany"]))
    await cluster.create(pod("p", "data"))

    async def refused() -> bool:
        return await messages(cluster, "ProvisioningFailed") == [
            'failed to provision volume with StorageClass "local-path": '
            "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes"
        ]

    await cluster.until(refused)


# --- volumes that are there already


async def test_pods_find_the_volumes_of_nodes(cluster: SimulatedCluster) -> None:
    """Two claims, both served by one node only, although each could be served elsewhere."""
    await cluster.create(storage_class("static", provisioner="kubernetes.io/no-provisioner"))
    for name, size, node in (
        ("a", "1Gi", "sim-0"),
        ("b", "1Gi", "sim-1"),
        ("c", "2Gi", "sim-1"),
        ("d", "2Gi", "sim-2"),
    ):
        await cluster.create(volume(name, size, node))
    await cluster.create(claim("small", "1Gi", storageClassName="static"))
    await cluster.create(claim("large", "2Gi", storageClassName="static"))
    await cluster.create(pod("p", "large", "small"))
    await cluster.until(lambda: runs(cluster))
    assert (await cluster.get(r.PODS, "p"))["spec"]["nodeName"] == "sim-1"
    names = [
        (await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, one))["spec"]["volumeName"]
        for one in ("small", "large")
    ]
    assert names == ["b", "c"]


async def test_two_pods_do_not_get_the_same_volume(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class("static", provisioner="kubernetes.io/no-provisioner"))
    for name, node in (("a", "sim-0"), ("b", "sim-1")):
        await cluster.create(volume(name, "1Gi", node))
    for name in ("one", "two"):
        await cluster.create(claim(name, storageClassName="static"))
        await cluster.create(pod(name, name))
    for name in ("one", "two"):
        await cluster.until(lambda name=name: runs(cluster, name))
    used = {
        (await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, one))["spec"]["volumeName"] for one in ("one", "two")
    }
    assert used == {"a", "b"}


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        ([claim()], "pod has unbound immediate PersistentVolumeClaims"),
    ],
)
async def test_a_pod_whose_claim_is_not_ready_waits_and_says_why(
    cluster: SimulatedCluster, prepare: list[Object], why: str
) -> None:
    for obj in prepare:
        await cluster.create(obj)
    await cluster.create(pod("p", "data"))
    text = f"0/3 nodes are available: {why}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."

    async def said() -> bool:
        return await messages(cluster, "FailedScheduling") == [text]

    await cluster.until(said)
    if not prepare:
        await cluster.create(claim())
    await cluster.create(volume("disk", node="sim-2", storageClassName=""))
    await cluster.until(lambda: runs(cluster))
    assert (await cluster.get(r.PODS, "p"))["spec"]["nodeName"] == "sim-2"


async def test_a_pod_for_which_no_node_has_a_volume_waits_until_there_is_one(
    cluster: SimulatedCluster,
) -> None:
    await cluster.create(storage_class("static", provisioner="kubernetes.io/no-provisioner"))
    await cluster.create(claim(storageClassName="static"))
    await cluster.create(pod("p", "data"))
    text = (
        "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )

    async def said() -> bool:
        return await messages(cluster, "FailedScheduling") == [text]

    await cluster.until(said)
    await cluster.create(volume("disk", node="sim-1"))
    await cluster.until(lambda: runs(cluster))


async def test_a_bound_volume_keeps_the_pod_on_its_nodes(cluster: SimulatedCluster) -> None:
    await cluster.create(volume("disk", node="elsewhere", storageClassName=""))
    await cluster.create(claim(storageClassName=""))
    await cluster.until(lambda: is_bound(cluster))
    await cluster.create(pod("p", "data"))
    text = (
        "0/3 nodes are available: 3 node(s) didn't match PersistentVolume's node affinity. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )

    async def said() -> bool:
        return await messages(cluster, "FailedScheduling") == [text]

    await cluster.until(said)


async def test_topologies_of_the_class_choose_the_node(cluster: SimulatedCluster) -> None:
    zone = {"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["b"]}]}
    await cluster.create(storage_class(allowedTopologies=[zone]))
    for name in ("one", "two", "three"):
        await cluster.create(claim(name))
        await cluster.create(pod(name, name))
        await cluster.until(lambda name=name: runs(cluster, name))
        assert (await cluster.get(r.PODS, name))["spec"]["nodeName"] == "sim-1"


async def test_a_claim_for_one_pod_serves_one_pod(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim(accessModes=["ReadWriteOncePod"]))
    await cluster.create(pod("first", "data"))
    await cluster.until(lambda: runs(cluster, "first"))
    await cluster.create(pod("second", "data"))

    async def said() -> bool:
        (text,) = await messages(cluster, "FailedScheduling")
        why = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
        return f"3 {why}" in text

    await cluster.until(said)
    await cluster.client.delete(r.PODS, "first", "default", grace_period_seconds=0)
    await cluster.until(lambda: runs(cluster, "second"))


async def test_an_ephemeral_volume_lives_as_long_as_its_pod(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    template = {"metadata": {"labels": {"kind": "scratch"}}, "spec": claim()["spec"]}
    scratch = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}
    await cluster.create(pod("p", volumes=[scratch]))
    await cluster.until(lambda: runs(cluster))
    made = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "p-scratch")
    assert (meta.labels(made), made["metadata"]["ownerReferences"][0]["kind"]) == ({"kind": "scratch"}, "Pod")
    await cluster.client.delete(r.PODS, "p", "default", grace_period_seconds=0)
    await cluster.until(lambda: cluster.is_gone(r.PERSISTENT_VOLUME_CLAIMS, "p-scratch"))


async def test_an_ephemeral_volume_does_not_take_a_claim_of_its_name(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    await cluster.create(claim("p-scratch"))
    await cluster.create(
        pod(
            "p",
            volumes=[{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim()["spec"]}}}],
        )
    )
    why = "PVC default/p-scratch was not created for pod default/p (pod is not owner)"

    async def said() -> bool:
        (text,) = await messages(cluster, "FailedScheduling")
        assert text.startswith(f"0/3 nodes are available: {why}.")
        return await messages(cluster, "FailedBinding") == [f"ephemeral volume scratch: {why}"]

    await cluster.until(said)
