"""What test/e2e/apps/statefulset.go asks for beyond conformance: claims and their retention, first ordinals, OnDelete, times, budgets."""

from typing import Any

import pytest

from conformance.workloads import Object, Workload, recorded, with_image, workload
from pinnace.api import meta
from pinnace.api.resources import (
    CONTROLLER_REVISIONS,
    ENDPOINT_SLICES,
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster


async def start(cluster: SimulatedCluster, replicas: int = 3, **spec: Any) -> Workload:
    return await Workload(
        cluster, workload("StatefulSet", "ss", replicas, serviceName="test", **spec)
    ).start()


async def names(ss: Workload) -> list[str]:
    return [meta.name(pod) for pod in await ss.pods()]


# --- claims


def with_claims(deleted: str = "Retain", scaled: str = "Retain") -> dict[str, Any]:
    template = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "podManagementPolicy": "Parallel",  # whether claims are ever bound does not matter here
        "volumeClaimTemplates": [template],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled},
    }


async def claims(cluster: SimulatedCluster) -> list[str]:
    return sorted(meta.name(claim) for claim in await cluster.list(PERSISTENT_VOLUME_CLAIMS))


async def claims_are(cluster: SimulatedCluster, *ordinals: int) -> bool:
    return await claims(cluster) == [f"data-ss-{ordinal}" for ordinal in ordinals]


async def until_made(ss: Workload, count: int) -> None:
    async def made() -> bool:
        return len(await ss.pods()) == count and len(await claims(ss.cluster)) == count

    await ss.cluster.until(made)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_claims_after_the_set_is_deleted(cluster: SimulatedCluster, policy: str) -> None:
    ss = await start(cluster, **with_claims(deleted=policy))
    await until_made(ss, 3)
    await cluster.client.delete(STATEFUL_SETS, "ss", "default")
    await ss.until_gone()
    left = () if policy == "Delete" else (0, 1, 2)
    await cluster.until(lambda: claims_are(cluster, *left))
    await cluster.holds(lambda: claims_are(cluster, *left), seconds=60)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_claims_after_a_scale_down(cluster: SimulatedCluster, policy: str) -> None:
    ss = await start(cluster, **with_claims(scaled=policy))
    await until_made(ss, 3)
    before = {meta.name(c): meta.uid(c) for c in await cluster.list(PERSISTENT_VOLUME_CLAIMS)}
    await ss.scale(1)
    left = (0,) if policy == "Delete" else (0, 1, 2)
    await cluster.until(lambda: has_pods(ss, "ss-0"))
    await cluster.until(lambda: claims_are(cluster, *left))
    await cluster.holds(lambda: claims_are(cluster, *left), seconds=60)
    await ss.scale(3)
    await until_made(ss, 3)
    after = {meta.name(c): meta.uid(c) for c in await cluster.list(PERSISTENT_VOLUME_CLAIMS)}
    assert (after["data-ss-2"] == before["data-ss-2"]) is (policy == "Retain")
    assert after["data-ss-0"] == before["data-ss-0"]


async def has_pods(ss: Workload, *wanted: str) -> bool:
    return await names(ss) == list(wanted)


async def test_a_policy_may_be_changed_later(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, **with_claims(deleted="Delete"))
    await until_made(ss, 3)

    async def owned(by_set: bool) -> bool:
        return all(
            bool(c["metadata"].get("ownerReferences")) is by_set
            for c in await cluster.list(PERSISTENT_VOLUME_CLAIMS)
        )

    await cluster.until(lambda: owned(True))
    await ss.patch({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"}}})
    await cluster.until(lambda: owned(False))
    await cluster.client.delete(STATEFUL_SETS, "ss", "default")
    await ss.until_gone()
    assert await claims_are(cluster, 0, 1, 2)


async def test_events_tell_of_claims_and_pods(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1, **with_claims())
    await until_made(ss, 1)

    async def told() -> bool:
        messages = {e["message"] for e in await cluster.list(EVENTS) if e["reason"] == "SuccessfulCreate"}
        return messages == {
            "create Claim data-ss-0 Pod ss-0 in StatefulSet ss success",
            "create Pod ss-0 in StatefulSet ss successful",
        }

    await cluster.until(told)


# --- ordinals


async def test_the_first_ordinal_may_move(cluster: SimulatedCluster) -> None:
    """With a larger start pods move up, with a smaller one down; what overlaps stays."""
    ss = await start(cluster, 2)
    await ss.until_ready(2)
    for first, wanted in ((2, ("ss-2", "ss-3")), (1, ("ss-1", "ss-2")), (0, ("ss-0", "ss-1"))):
        await ss.patch({"spec": {"ordinals": {"start": first}}})
        await cluster.until(lambda wanted=wanted: has_pods(ss, *wanted))
        await ss.until_ready(2)
    assert (await ss.status())["replicas"] == 2


# --- updates


async def test_on_delete_leaves_the_replacing_to_the_user(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, updateStrategy={"type": "OnDelete"})
    await ss.until_ready(3)
    await ss.patch(with_image("two"))
    await cluster.advance(60)
    assert await ss.images() == ["one"] * 3
    await cluster.client.delete(PODS, "ss-1", "default")
    await cluster.until(lambda: images_are(ss, "one", "two", "one"))
    await ss.until_ready(3)
    status = await ss.status()
    assert status["updatedReplicas"] == 1
    assert status["currentRevision"] != status["updateRevision"]


async def images_are(ss: Workload, *images: str) -> bool:
    return await ss.images() == list(images)


async def test_pods_have_to_stay_ready_for_a_time(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 2, minReadySeconds=30)
    begun = cluster.clock.monotonic()

    async def available(count: int) -> bool:
        return bool((await ss.status()).get("availableReplicas") == count)

    await cluster.until(lambda: available(1))
    assert 29 <= cluster.clock.monotonic() - begun < 33
    await cluster.until(lambda: available(2))
    assert 59 <= cluster.clock.monotonic() - begun < 66
    await ss.patch(with_image("two"))
    await cluster.until(lambda: images_are(ss, "one", "two"))
    await cluster.holds(lambda: images_are(ss, "one", "two"), seconds=25)
    await cluster.until(lambda: images_are(ss, "two", "two"))


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
async def test_several_pods_at_a_time_are_replaced_where_they_may_be(
    cluster: SimulatedCluster, policy: str
) -> None:
    cluster.pods.behave(lambda _: Behaviour(runs=(Run(ready_after=10),)))
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    ss = await start(cluster, 5, podManagementPolicy=policy, updateStrategy=rolling)
    await ss.until_ready(5)
    fewest = 5

    async def updated() -> bool:
        nonlocal fewest
        fewest = min(fewest, (await ss.status()).get("readyReplicas", 0))
        return await images_are(ss, *["two"] * 5) and await ss.has_ready(5)

    await ss.patch(with_image("two"))
    async with recorded(cluster) as record:
        await cluster.until(updated)
    assert fewest == 3
    assert record.names("DELETED") == ["ss-4", "ss-3", "ss-2", "ss-1", "ss-0"]


async def test_a_broken_first_revision_is_mended_by_the_next_in_parallel(cluster: SimulatedCluster) -> None:
    """https://github.com/kubernetes/kubernetes/issues/137409"""

    def broken(pod: Object) -> Behaviour | None:
        is_old = pod["spec"]["containers"][0]["image"] == "one"
        return Behaviour(runs=(Run(ready_after=None),)) if is_old else None

    cluster.pods.behave(broken)
    for unavailable in (None, 1):
        rolling = {"rollingUpdate": {"maxUnavailable": unavailable}} if unavailable else {}
        ss = await start(
            cluster, 2, podManagementPolicy="Parallel", updateStrategy={"type": "RollingUpdate", **rolling}
        )
        await cluster.until(lambda ss=ss: images_are(ss, "one", "one"))
        await ss.patch(with_image("two"))
        await ss.until_ready(2)
        await cluster.client.delete(STATEFUL_SETS, "ss", "default")
        await ss.until_gone()


async def test_the_history_is_as_long_as_asked(cluster: SimulatedCluster) -> None:
    ss = await start(cluster, 1, revisionHistoryLimit=2)
    await ss.until_ready(1)
    for number in range(6):
        await ss.patch(with_image(f"v{number}"))
        await cluster.until(lambda number=number: images_are(ss, f"v{number}"))
        await ss.until_ready(1)

    async def three_revisions() -> bool:
        return sorted(r["revision"] for r in await cluster.list(CONTROLLER_REVISIONS)) == [5, 6, 7]

    await cluster.until(three_revisions)


# --- names


async def test_pods_have_names_in_dns_through_their_headless_service(cluster: SimulatedCluster) -> None:
    """The service that the set names lists its pods with their hostnames, which is what DNS answers from."""
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "test"},
        "spec": {"clusterIP": "None", "selector": {"app": "ss"}, "ports": [{"port": 80}]},
    }  # fmt: skip
    await cluster.create(service)
    ss = await start(cluster)
    await ss.until_ready(3)

    async def hostnames() -> bool:
        slices = await cluster.list(ENDPOINT_SLICES, labels="kubernetes.io/service-name=test")
        found = sorted(e.get("hostname") or "" for one in slices for e in one.get("endpoints") or ())
        return found == ["ss-0", "ss-1", "ss-2"]

    await cluster.until(hostnames)


# --- volumes


async def test_a_pod_comes_back_to_its_volume(cluster: SimulatedCluster) -> None:
    """In order, with claims that volumes are bound to: after a scale-down and up each name has the volume that it had."""
    for number in range(3):
        await cluster.create(
            {
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"pv-{number}"},
                "spec": {
                    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "by-hand",
                    "hostPath": {"path": f"/srv/{number}"}, "persistentVolumeReclaimPolicy": "Retain",
                },
            }
        )  # fmt: skip
    spec = with_claims()
    del spec["podManagementPolicy"]
    spec["volumeClaimTemplates"][0]["spec"]["storageClassName"] = "by-hand"
    ss = await start(cluster, 3, **spec)
    await ss.until_ready(3)

    async def volumes() -> dict[str, str]:
        found = await cluster.list(PERSISTENT_VOLUME_CLAIMS)
        return {meta.name(claim): claim["spec"]["volumeName"] for claim in found}

    before = await volumes()
    assert sorted(before.values()) == ["pv-0", "pv-1", "pv-2"]
    await ss.scale(0)
    await ss.until_ready(0)
    await ss.scale(3)
    after = await ss.until_ready(3)
    assert await volumes() == before
    assert [pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] for pod in after] == sorted(
        before
    )
    await cluster.client.delete(
        PERSISTENT_VOLUME_CLAIMS, "data-ss-2", "default"
    )  # held by the pod that uses it
    await cluster.advance(30)
    assert await claims_are(cluster, 0, 1, 2)
    await cluster.client.delete(PODS, "ss-2", "default")

    async def without_volume() -> bool:
        """The pod is back, and waits with a new claim for a volume that nobody has: the old one is Released."""
        found = {meta.name(c): c for c in await cluster.list(PERSISTENT_VOLUME_CLAIMS)}
        fresh = found.get("data-ss-2")
        return fresh is not None and not meta.is_terminating(fresh) and not fresh["spec"].get("volumeName")

    await cluster.until(without_volume)
    await cluster.until(lambda: has_pods(ss, "ss-0", "ss-1", "ss-2"))
