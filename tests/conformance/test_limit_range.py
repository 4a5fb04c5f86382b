"""test/e2e/scheduling/limit_range.go: defaults, minima and maxima of a namespace."""

from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
MIN = {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"}
MAX = {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"}
DEFAULT = {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"}
REQUEST = {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"}


def limit_range(name: str, *limits: Object, **labels: str) -> Object:
    metadata = {"name": name, "labels": labels}
    return {"kind": "LimitRange", "apiVersion": "v1", "metadata": metadata, "spec": {"limits": list(limits)}}


def pod(name: str, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> Object:
    resources: Object = {"requests": requests or {}, "limits": limits or {}}
    spec = {"containers": [{"name": "pause", "image": "pause", "resources": resources}]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


async def account(client: Client, namespace: str = "default") -> None:
    body = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await client.create(r.SERVICE_ACCOUNTS, body, namespace)


@pytest.mark.conformance(
    "[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied. [Conformance]"
)
async def test_pods_get_the_defaults_and_must_lie_between_the_limits(cluster: SimulatedCluster) -> None:
    client = cluster.client
    limit = {"type": "Container", "min": MIN, "max": MAX, "default": DEFAULT, "defaultRequest": REQUEST}
    made = await client.create(r.LIMIT_RANGES, limit_range("limits", limit), "default")
    assert made["spec"]["limits"] == [limit]
    plain = await client.create(r.PODS, pod("plain"), "default")
    assert plain["spec"]["containers"][0]["resources"] == {"requests": REQUEST, "limits": DEFAULT}
    note = plain["metadata"]["annotations"]["kubernetes.io/limit-ranger"]
    assert note == (
        "LimitRanger plugin set: cpu, ephemeral-storage, memory request for container pause; "
        "cpu, ephemeral-storage, memory limit for container pause"
    )
    partial = await client.create(
        r.PODS,
        pod("partial", {"cpu": "200m", "memory": "300Mi"}, {"cpu": "300m"}),
        "default",
    )
    assert partial["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "200m", "memory": "300Mi", "ephemeral-storage": "200Gi"},
        "limits": {"cpu": "300m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
    }
    with pytest.raises(errors.Forbidden) as small:
        await client.create(r.PODS, pod("small", {"cpu": "10m"}), "default")
    assert (
        small.value.message
        == 'pods "small" is forbidden: minimum cpu usage per Container is 50m, but request is 10m'
    )
    with pytest.raises(errors.Forbidden) as large:
        await client.create(r.PODS, pod("large", {"cpu": "600m"}, {"cpu": "600m"}), "default")
    assert (
        large.value.message
        == 'pods "large" is forbidden: maximum cpu usage per Container is 500m, but limit is 600m'
    )
    lower = {**MIN, "cpu": "9m", "memory": "49Mi"}
    await client.patch(r.LIMIT_RANGES, "limits", {"spec": {"limits": [{**limit, "min": lower}]}}, "default")
    await client.create(r.PODS, pod("small", {"cpu": "10m"}), "default")
    await client.delete(r.LIMIT_RANGES, "limits", "default")
    free = await client.create(r.PODS, pod("free", {"cpu": "600m"}), "default")
    assert free["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "600m"}}


@pytest.mark.conformance(
    "[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection [Conformance]"
)
async def test_limit_ranges_are_listed_patched_and_deleted_by_label(cluster: SimulatedCluster) -> None:
    client = cluster.client
    await client.create(
        r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "other"}}
    )
    limit = {"type": "Container", "min": MIN, "max": MAX, "default": DEFAULT, "defaultRequest": REQUEST}
    for namespace in ("default", "other"):
        await client.create(r.LIMIT_RANGES, limit_range("limits", limit, test="yes"), namespace)
    assert len((await client.list(r.LIMIT_RANGES, label_selector="test=yes"))["items"]) == 2
    change = {
        "metadata": {"labels": {"limits": "patched"}},
        "spec": {"limits": [{**limit, "min": {"cpu": "40m"}}]},
    }
    patched = await client.patch(r.LIMIT_RANGES, "limits", change, "default")
    assert patched["spec"]["limits"][0]["min"] == {"cpu": "40m"}
    await client.delete_collection(r.LIMIT_RANGES, "default", label_selector="limits=patched")
    left = (await client.list(r.LIMIT_RANGES, label_selector="test=yes"))["items"]
    assert [item["metadata"]["namespace"] for item in left] == ["other"]


async def test_limits_of_pods_ratios_and_claims(rest_client: Client) -> None:
    client = rest_client
    await account(client)
    limits = (
        {"type": "Pod", "max": {"cpu": "1"}, "maxLimitRequestRatio": {"memory": "2"}},
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "10Gi"}},
    )
    await client.create(r.LIMIT_RANGES, limit_range("limits", *limits), "default")
    with pytest.raises(errors.Forbidden) as both:
        await client.create(
            r.PODS, pod("p", {"cpu": "2", "memory": "1Gi"}, {"cpu": "2", "memory": "4Gi"}), "default"
        )
    assert both.value.message == (
        'pods "p" is forbidden: [maximum cpu usage per Pod is 1, but limit is 2, '
        "memory max limit to request ratio per Pod is 2, but provided ratio is 4.000000]"
    )
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": "c"}, "spec": spec}
    with pytest.raises(errors.Forbidden) as large:
        await client.create(r.PERSISTENT_VOLUME_CLAIMS, claim, "default")
    assert large.value.message == (
        'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi'
    )


async def test_the_defaults_follow_the_maximum(rest_client: Client) -> None:
    limit = {"type": "Container", "max": {"cpu": "1"}}
    made = await rest_client.create(r.LIMIT_RANGES, limit_range("limits", limit), "default")
    assert made["spec"]["limits"][0]["default"] == {"cpu": "1"}
    assert made["spec"]["limits"][0]["defaultRequest"] == {"cpu": "1"}
