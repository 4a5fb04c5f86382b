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
    text = f"0/3 nodes are available: {why}. not found"

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
        "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
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
        "no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
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
        why = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
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


async def test_a_volume_of_a_driver_is_attached_where_its_pod_runs_and_moves_along(
    cluster: SimulatedCluster,
) -> None:
    """The test is the driver's attacher."""
    await cluster.create(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": {"name": "disks.example"},
            "spec": {},
        }
    )
    source: Object = {"csi": {"driver": "disks.example", "volumeHandle": "d-1"}, "storageClassName": ""}
    disk = volume("disk", **source)
    for field in ("local", "nodeAffinity"):
        disk["spec"].pop(field)
    await cluster.create(disk)
    await cluster.create(claim(storageClassName=""))

    async def attachments() -> list[str]:
        return [one["spec"]["nodeName"] for one in await cluster.list(r.VOLUME_ATTACHMENTS)]

    async def attach() -> None:
        (one,) = await cluster.list(r.VOLUME_ATTACHMENTS)
        await cluster.client.patch(
            r.VOLUME_ATTACHMENTS, meta.name(one), {"status": {"attached": True}}, subresource="status"
        )

    async def attached_to() -> list[str]:
        nodes = await cluster.list(r.NODES)
        return [meta.name(one) for one in nodes if one["status"].get("volumesAttached")]

    await cluster.create(pod("first", "data", nodeName="sim-0"))
    await cluster.until(lambda: is_bound(cluster))
    await cluster.until(attachments)
    assert await attachments() == ["sim-0"]
    await attach()
    await cluster.until(attached_to)
    assert (await cluster.get(r.NODES, "sim-0"))["status"]["volumesAttached"] == [
        {"name": "kubernetes.io/csi/disks.example^d-1", "devicePath": ""}
    ]
    assert await messages(cluster, "SuccessfulAttachVolume") == [
        'AttachVolume.Attach succeeded for volume "disk" '
    ]

    await cluster.create(pod("second", "data", nodeName="sim-1"))
    text = 'Multi-Attach error for volume "disk" Volume is already used by pod(s) first'

    async def refused() -> bool:
        return await messages(cluster, "FailedAttachVolume") == [text]

    await cluster.until(refused)
    await cluster.client.delete(r.PODS, "first", "default", grace_period_seconds=0)

    async def moved() -> bool:
        return await attachments() == ["sim-1"] and not await attached_to()

    await cluster.until(moved)


async def test_a_class_of_attributes_stays_while_a_claim_has_it(cluster: SimulatedCluster) -> None:
    gvr = r.VOLUME_ATTRIBUTES_CLASSES
    body = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttributesClass", "metadata": {"name": "quick"},
            "driverName": "disks.example", "parameters": {"iops": "100"}}  # fmt: skip
    made = await cluster.create(body)
    assert made["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
    await cluster.create(claim(volumeAttributesClassName="quick"))
    await cluster.settle()
    await cluster.client.delete(gvr, "quick")
    await cluster.advance(60)
    assert meta.is_terminating(await cluster.get(gvr, "quick"))
    await cluster.client.delete(r.PERSISTENT_VOLUME_CLAIMS, "data", "default")
    await cluster.until(lambda: cluster.is_gone(gvr, "quick"))


async def test_a_provisioner_that_gives_up_sends_the_pod_to_another_node(cluster: SimulatedCluster) -> None:
    """The test is the provisioner: it takes the annotation off, as external provisioners do when a node will not do."""
    await cluster.create(storage_class("slow", provisioner="disks.example"))
    await cluster.create(claim(storageClassName="slow"))
    await cluster.create(pod("p", "data"))
    selected = "volume.kubernetes.io/selected-node"

    async def chosen() -> str:
        return meta.annotations(await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data")).get(selected, "")

    first = await cluster.until(chosen)
    assert (await cluster.get(r.PODS, "p"))["spec"].get("nodeName") is None, "it waits for its volume"
    await cluster.client.patch(r.NODES, first, {"spec": {"unschedulable": True}})
    body = {"metadata": {"annotations": {selected: None}}}
    await cluster.client.patch(r.PERSISTENT_VOLUME_CLAIMS, "data", body, "default")

    async def told() -> bool:
        text = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
        return text in await messages(cluster, "FailedScheduling")

    await cluster.until(told)
    second = await cluster.until(chosen)
    assert second != first
    data = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data")
    reference = {
        "namespace": "default",
        "name": "data",
        "uid": meta.uid(data),
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
    }
    await cluster.create(volume("made", node=second, storageClassName="slow", claimRef=reference))
    await cluster.until(lambda: runs(cluster))
    assert (await cluster.get(r.PODS, "p"))["spec"]["nodeName"] == second


async def test_a_pod_that_is_deleted_while_it_waits_for_its_volume_leaves_nothing_assumed(
    cluster: SimulatedCluster,
) -> None:
    await cluster.create(storage_class("slow", provisioner="disks.example"))
    await cluster.create(claim(storageClassName="slow"))
    await cluster.create(pod("p", "data"))

    async def waiting() -> bool:
        data = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data")
        return "volume.kubernetes.io/selected-node" in meta.annotations(data)

    await cluster.until(waiting)
    await cluster.client.delete(r.PODS, "p", "default", grace_period_seconds=0)
    await cluster.settle()
    assert cluster.scheduler is not None
    assert cluster.scheduler._cache.sizes()["assumed_pods"] == 0
    assert not cluster.scheduler._volumes._tasks


async def test_a_pod_of_higher_priority_takes_a_claim_for_one_pod(cluster: SimulatedCluster) -> None:
    for name, value in (("low", 1), ("high", 1000)):
        body = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
        }
        await cluster.create(body)
    await cluster.create(storage_class())
    await cluster.create(claim(accessModes=["ReadWriteOncePod"]))
    await cluster.create(pod("first", "data", priorityClassName="low"))
    await cluster.until(lambda: runs(cluster, "first"))
    await cluster.create(pod("second", "data", priorityClassName="high"))
    await cluster.until(lambda: runs(cluster, "second"))
    assert await cluster.is_gone(r.PODS, "first")


async def test_each_pod_of_a_stateful_set_keeps_its_own_volume(cluster: SimulatedCluster) -> None:
    await cluster.create(storage_class())
    template = {"metadata": {"name": "data"}, "spec": claim()["spec"]}
    body = {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}},
            "volumeClaimTemplates": [template],
        },
    }  # fmt: skip
    await cluster.create(body)

    async def ready() -> bool:
        return (await cluster.get(r.STATEFUL_SETS, "db"))["status"].get("readyReplicas") == 3

    async def places() -> dict[str, tuple[str, str]]:
        found = {}
        for one in await cluster.list(r.PODS):
            name = meta.name(one)
            data = await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, f"data-{name}")
            found[name] = one["spec"]["nodeName"], data["spec"]["volumeName"]
        return found

    await cluster.until(ready)
    before = await places()
    assert len({disk for _, disk in before.values()}) == 3
    for name in before:
        await cluster.client.delete(r.PODS, name, "default", grace_period_seconds=0)

    async def as_before() -> bool:
        return await places() == before

    await cluster.until(as_before)
    await cluster.client.delete(r.STATEFUL_SETS, "db", "default")

    async def nothing_left() -> bool:
        return not await cluster.list(r.PERSISTENT_VOLUMES)

    await cluster.until(nothing_left)
