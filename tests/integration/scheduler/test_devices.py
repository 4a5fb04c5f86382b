"""Pods that ask for devices, on a simulated cluster: claims made, allocated, reserved, and freed again."""

from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.resources import (
    DEVICE_CLASSES,
    EVENTS,
    PODS,
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
)
from pinnace.client.interface import Object
from pinnace.testing.simulated_cluster import SimulatedCluster

GROUP, DRIVER = "resource.k8s.io/v1", "gpu.example.com"
REQUEST = {"name": "gpu", "exactly": {"deviceClassName": "gpu"}}
SPEC = {"devices": {"requests": [REQUEST]}}


@pytest.fixture
def cluster(simulated_cluster: SimulatedCluster) -> SimulatedCluster:
    return simulated_cluster


async def publish(cluster: SimulatedCluster, node: str, *names: str) -> Object:
    spec = {
        "driver": DRIVER,
        "nodeName": node,
        "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
        "devices": [{"name": name} for name in names],
    }
    return await cluster.create(
        {"apiVersion": GROUP, "kind": "ResourceSlice", "metadata": {"name": f"{node}-gpus"}, "spec": spec}
    )


async def classify(cluster: SimulatedCluster) -> None:
    selector = {"cel": {"expression": f'device.driver == "{DRIVER}"'}}
    await cluster.create(
        {
            "apiVersion": GROUP,
            "kind": "DeviceClass",
            "metadata": {"name": "gpu"},
            "spec": {"selectors": [selector]},
        }
    )


async def offer_template(cluster: SimulatedCluster, name: str = "t") -> None:
    await cluster.create(
        {
            "apiVersion": GROUP,
            "kind": "ResourceClaimTemplate",
            "metadata": {"name": name},
            "spec": {"spec": SPEC},
        }
    )


async def claim(cluster: SimulatedCluster, name: str = "shared") -> None:
    await cluster.create(
        {"apiVersion": GROUP, "kind": "ResourceClaim", "metadata": {"name": name}, "spec": SPEC}
    )


async def start(
    cluster: SimulatedCluster, name: str, *, template: str = "", claim: str = "", **spec: Any
) -> Object:
    source = {"resourceClaimTemplateName": template} if template else {"resourceClaimName": claim}
    container = {"name": "main", "image": "app", "resources": {"claims": [{"name": "gpu"}]}}
    body = {"containers": [container], "resourceClaims": [{"name": "gpu", **source}], **spec}
    return await cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body})


async def node_of(cluster: SimulatedCluster, name: str) -> str:
    pod = await cluster.get(PODS, name)
    running: bool = (pod.get("status") or {}).get("phase") == "Running"
    node: str = pod["spec"].get("nodeName", "")
    return node if running else ""


async def devices_of(cluster: SimulatedCluster) -> dict[str, str]:
    """Claim -> device."""
    found = {}
    for one in await cluster.list(RESOURCE_CLAIMS):
        allocation = (one.get("status") or {}).get("allocation") or {"devices": {"results": [{"device": ""}]}}
        found[meta.name(one)] = allocation["devices"]["results"][0]["device"]
    return found


async def why_not(cluster: SimulatedCluster, name: str) -> str:
    pod = await cluster.get(PODS, name)
    condition = meta.find_condition(pod, "PodScheduled") or {}
    return str(condition.get("message", ""))


async def test_a_pod_gets_a_claim_a_device_and_the_node_of_the_device(cluster: SimulatedCluster) -> None:
    await publish(cluster, "sim-1", "gpu-0")
    await classify(cluster)
    await offer_template(cluster)
    await start(cluster, "p", template="t")
    assert await cluster.until(lambda: node_of(cluster, "p")) == "sim-1"
    (made,) = await cluster.list(RESOURCE_CLAIMS)
    pod = await cluster.get(PODS, "p")
    assert pod["status"]["resourceClaimStatuses"] == [{"name": "gpu", "resourceClaimName": meta.name(made)}]
    assert made["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
    assert made["status"]["reservedFor"] == [{"resource": "pods", "name": "p", "uid": meta.uid(pod)}]
    result = {"request": "gpu", "driver": DRIVER, "pool": "sim-1", "device": "gpu-0"}
    assert made["status"]["allocation"]["devices"]["results"] == [result]
    field = {"key": "metadata.name", "operator": "In", "values": ["sim-1"]}
    assert made["status"]["allocation"]["nodeSelector"] == {"nodeSelectorTerms": [{"matchFields": [field]}]}

    await cluster.client.delete(PODS, "p", "default")

    async def all_gone() -> bool:
        return not await cluster.list(RESOURCE_CLAIMS)

    await cluster.until(all_gone)


async def test_a_device_serves_one_claim_and_the_next_pod_waits_for_it(cluster: SimulatedCluster) -> None:
    await publish(cluster, "sim-0", "gpu-0")
    await classify(cluster)
    await offer_template(cluster)
    for name in ("first", "second"):
        await start(cluster, name, template="t")

    async def one_runs() -> str:
        running = [name for name in ("first", "second") if await node_of(cluster, name)]
        return running[0] if len(running) == 1 else ""

    winner = await cluster.until(one_runs)
    loser = "second" if winner == "first" else "first"

    async def refused() -> bool:
        return (await why_not(cluster, loser)).startswith(
            "0/2 nodes are available: 2 cannot allocate all claims."
        )

    await cluster.until(refused)
    await cluster.client.delete(PODS, winner, "default")
    assert await cluster.until(lambda: node_of(cluster, loser)) == "sim-0"


async def test_pods_share_a_claim(cluster: SimulatedCluster) -> None:
    await publish(cluster, "sim-0", "gpu-0")
    await classify(cluster)
    await claim(cluster)
    for name in ("a", "b"):
        await start(cluster, name, claim="shared")

    async def both_run() -> bool:
        return [await node_of(cluster, name) for name in ("a", "b")] == ["sim-0", "sim-0"]

    await cluster.until(both_run)
    shared = await cluster.get(RESOURCE_CLAIMS, "shared")
    assert {one["name"] for one in shared["status"]["reservedFor"]} == {"a", "b"}
    for name in ("a", "b"):
        await cluster.client.delete(PODS, name, "default")

    async def freed() -> bool:
        found = await cluster.get(RESOURCE_CLAIMS, "shared")
        return found.get("status", {}) == {} and "finalizers" not in found["metadata"]

    await cluster.until(freed)


async def test_many_pods_spread_over_all_devices(cluster: SimulatedCluster) -> None:
    for node in ("sim-0", "sim-1"):
        await publish(cluster, node, *(f"gpu-{i}" for i in range(4)))
    await classify(cluster)
    await offer_template(cluster)
    for i in range(8):
        await start(cluster, f"p{i}", template="t")

    async def all_run() -> bool:
        return all([await node_of(cluster, f"p{i}") for i in range(8)])

    await cluster.until(all_run)
    claims = await cluster.list(RESOURCE_CLAIMS)
    used = {(r["pool"], r["device"]) for c in claims for r in c["status"]["allocation"]["devices"]["results"]}
    assert len(used) == 8


async def test_what_is_missing_is_said_and_waited_for(cluster: SimulatedCluster) -> None:
    await start(cluster, "p", template="t")

    async def told() -> bool:
        found = await cluster.list(EVENTS)
        return any(
            e["reason"] == "FailedResourceClaimCreation"
            and e["message"]
            == 'PodResourceClaim gpu: resource claim template "t": resourceclaimtemplate.resource.k8s.io "t" not found'
            for e in found
        )

    await cluster.until(told)
    assert await why_not(cluster, "p") == ""  # it is not tried before the claim is made
    await offer_template(cluster)

    async def says(text: str) -> bool:
        return text in await why_not(cluster, "p")

    await cluster.until(
        lambda: says(
            "0/2 nodes are available: request gpu: device class gpu does not exist. no new claims to deallocate, preemption: "
        )
    )
    await classify(cluster)
    await cluster.until(lambda: says("2 cannot allocate all claims"))
    await publish(cluster, "sim-1", "gpu-0")
    assert await cluster.until(lambda: node_of(cluster, "p")) == "sim-1"


async def test_a_claim_that_does_not_exist(cluster: SimulatedCluster) -> None:
    await publish(cluster, "sim-0", "gpu-0")
    await classify(cluster)
    await start(cluster, "p", claim="shared")

    async def says() -> bool:
        return 'resourceclaim.resource.k8s.io "shared" not found' in await why_not(cluster, "p")

    await cluster.until(says)
    await claim(cluster)
    assert await cluster.until(lambda: node_of(cluster, "p")) == "sim-0"


async def test_an_allocation_that_nobody_uses_does_not_hold_a_pod_to_a_node_it_cannot_use(
    cluster: SimulatedCluster,
) -> None:
    for node in ("sim-0", "sim-1"):
        await publish(cluster, node, "gpu-0")
    await classify(cluster)
    await claim(cluster)
    shared = await cluster.get(RESOURCE_CLAIMS, "shared")
    result = {"request": "gpu", "driver": DRIVER, "pool": "sim-0", "device": "gpu-0"}
    field = {"key": "metadata.name", "operator": "In", "values": ["sim-0"]}
    allocation = {
        "devices": {"results": [result]},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]},
    }
    await cluster.client.update(
        RESOURCE_CLAIMS, {**shared, "status": {"allocation": allocation}}, subresource="status"
    )
    await start(cluster, "p", claim="shared", nodeSelector={"kubernetes.io/hostname": "sim-1"})
    assert await cluster.until(lambda: node_of(cluster, "p")) == "sim-1"


async def test_a_job_that_is_done_frees_its_device(cluster: SimulatedCluster) -> None:
    await publish(cluster, "sim-0", "gpu-0")
    await classify(cluster)
    await offer_template(cluster)
    await start(cluster, "first", template="t", restartPolicy="Never")
    await cluster.until(lambda: node_of(cluster, "first"))
    cluster.pods.complete("first")
    await start(cluster, "second", template="t")
    assert await cluster.until(lambda: node_of(cluster, "second")) == "sim-0"
    left = {meta.name(one).startswith("second-") for one in await cluster.list(RESOURCE_CLAIMS)}
    assert left == {True}


async def test_nothing_is_watched_while_no_pod_asks_for_devices(cluster: SimulatedCluster) -> None:
    await cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
    )
    await cluster.until(lambda: node_of(cluster, "p"))
    assert cluster.scheduler is not None
    watched = set(cluster.scheduler._informers._informers)
    assert not watched & {RESOURCE_SLICES, DEVICE_CLASSES, RESOURCE_CLAIMS, RESOURCE_CLAIM_TEMPLATES}
