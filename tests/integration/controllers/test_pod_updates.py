"""Pods that change while they run on simulated nodes: generations, resizes, quality of service, revisions."""

from typing import Any

import pytest

from integration.controllers.conftest import Start
from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.resources import PODS, RESOURCE_QUOTAS
from pinnace.apimachinery.errors import Forbidden
from pinnace.client.interface import STRATEGIC_MERGE_PATCH, Client
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def pod(**resources: Any) -> Object:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "one", "resources": resources}]},
    }  # fmt: skip


async def is_followed(client: Client, generation: int) -> bool:
    found = await client.get(PODS, "p", "default")
    seen = found["status"].get("observedGeneration")
    return pods.phase(found) == "Running" and found["metadata"]["generation"] == seen == generation


async def patch(client: Client, spec: Object, subresource: str = "") -> Object:
    return await client.patch(
        PODS, "p", {"spec": spec}, "default", content_type=STRATEGIC_MERGE_PATCH, subresource=subresource
    )


@pytest.mark.conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update [MinimumKubeletVersion:1.34] [Conformance]"
)
async def test_every_change_of_the_spec_counts_and_is_followed(start: Start) -> None:
    client = await start("replicaset")
    await client.create(PODS, pod(requests={"cpu": "100m"}))
    await eventually(lambda: is_followed(client, 1))
    changes = [
        ({"containers": [{"name": "c", "image": "two"}]}, ""),
        ({"activeDeadlineSeconds": 5000}, ""),
        ({"tolerations": [{"key": "a", "operator": "Exists"}]}, ""),
        ({"containers": [{"name": "c", "resources": {"requests": {"cpu": "200m"}}}]}, "resize"),
        ({"ephemeralContainers": [{"name": "e", "image": "debug"}]}, "ephemeralcontainers"),
    ]
    for number, (spec, subresource) in enumerate(changes, start=2):
        await patch(client, spec, subresource)
        await eventually(lambda wanted=number: is_followed(client, wanted))  # type: ignore[misc]
    await client.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}}, "default")
    assert (await client.get(PODS, "p", "default"))["metadata"]["generation"] == 6


@pytest.mark.conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and observedGeneration eventually converge [MinimumKubeletVersion:1.34] [Conformance]"
)
async def test_five_hundred_changes_are_followed_in_the_end(start: Start) -> None:
    client = await start("replicaset")
    await client.create(PODS, pod())
    for number in range(499):
        await client.patch(PODS, "p", {"spec": {"activeDeadlineSeconds": 10_000 - number}}, "default")
    await eventually(lambda: is_followed(client, 500))


@pytest.mark.conformance(
    "[sig-node] Pod InPlace Resize Container resize pod via the replace endpoint [MinimumKubeletVersion:1.34] [Conformance]"
)
async def test_a_resize_shows_in_the_status_of_the_container(start: Start) -> None:
    client = await start("replicaset")
    before = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
    await client.create(PODS, pod(**before))
    await eventually(lambda: is_followed(client, 1))
    wanted = {"requests": {"cpu": "150m", "memory": "64Mi"}, "limits": {"cpu": "300m", "memory": "256Mi"}}
    new = meta.mutable_copy(await client.get(PODS, "p", "default", subresource="resize"))
    new["spec"]["containers"][0]["resources"] = wanted
    await client.update(PODS, new, subresource="resize")
    await eventually(lambda: is_followed(client, 2))
    found = await client.get(PODS, "p", "default")
    (status,) = found["status"]["containerStatuses"]
    assert (status["resources"], status["allocatedResources"]) == (wanted, wanted["requests"])
    assert status["restartCount"] == 0


async def test_a_resize_counts_against_the_quota(start: Start) -> None:
    client = await start("resourcequota")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": {"requests.cpu": "300m"}}}  # fmt: skip
    await client.create(RESOURCE_QUOTAS, quota)

    async def is_used(amount: str) -> bool:
        status = (await client.get(RESOURCE_QUOTAS, "q", "default")).get("status") or {}
        return (status.get("used") or {}).get("requests.cpu") == amount

    await eventually(lambda: is_used("0"))
    await client.create(PODS, pod(requests={"cpu": "100m"}))
    await eventually(lambda: is_followed(client, 1))
    change = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "400m"}}}]}
    with pytest.raises(Forbidden, match="exceeded quota: q"):
        await patch(client, change, "resize")
    change["containers"][0]["resources"] = {"requests": {"cpu": "200m"}}
    await patch(client, change, "resize")
    await eventually(lambda: is_used("200m"))


@pytest.mark.conformance(
    "[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu [Conformance]"
)
async def test_the_quality_of_service_is_in_the_status(start: Start) -> None:
    client = await start("replicaset")
    amounts = {"cpu": "100m", "memory": "100Mi"}
    made = await client.create(PODS, pod(requests=amounts, limits=amounts))
    assert made["status"]["qosClass"] == "Guaranteed"
