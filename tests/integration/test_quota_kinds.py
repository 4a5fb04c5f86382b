"""Quotas and limits beyond the conformance suite: resized pods, custom resources, and what a real kubectl makes of them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from custom_resources import definition
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import STRATEGIC_MERGE_PATCH, Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]
Kubectl = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def counting(api_server: ApiServerInProcess) -> AsyncGenerator[Client, None]:
    """An administrator's client; the quota controller is at work."""
    manager = api_server.local_client("system:kube-controller-manager", ())
    controllers = Controllers(manager, RealClock(), ControllersConfig(("resourcequota",)))
    running = asyncio.create_task(controllers.run())
    yield api_server.local_client()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def quota(client: Client, **hard: str) -> None:
    spec = {"hard": {name.replace("__", "/").replace("_", "."): amount for name, amount in hard.items()}}
    body = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}, "spec": spec}
    await client.create(r.RESOURCE_QUOTAS, body, "default")


async def used(client: Client) -> dict[str, str]:
    status = (await client.get(r.RESOURCE_QUOTAS, "q", "default")).get("status") or {}
    return status.get("used") or {}


async def uses(client: Client, **expected: str) -> None:
    async def there() -> bool:
        found = await used(client)
        assert found == expected
        return True

    await eventually(there)


def pod(cpu: str) -> Object:
    policy = [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}, "resizePolicy": policy}
    spec = {"containers": [container], "automountServiceAccountToken": False}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}


async def test_a_resize_is_charged_with_what_it_adds_and_kept_within_limits(counting: Client) -> None:
    client = counting
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await client.create(r.SERVICE_ACCOUNTS, account, "default")
    await quota(client, cpu="2")
    await uses(client, cpu="0")
    await client.create(r.PODS, pod("500m"), "default")
    await uses(client, cpu="500m")

    async def resize(cpu: str) -> None:
        change = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
        await client.patch(
            r.PODS, "p", change, "default", content_type=STRATEGIC_MERGE_PATCH, subresource="resize"
        )

    await resize("1500m")
    await uses(client, cpu="1500m")
    with pytest.raises(
        errors.Forbidden, match="exceeded quota: q, requested: cpu=1, used: cpu=1500m, limited: cpu=2"
    ):
        await resize("2500m")
    limit = {"type": "Container", "min": {"cpu": "200m"}}
    limits = {
        "kind": "LimitRange",
        "apiVersion": "v1",
        "metadata": {"name": "l"},
        "spec": {"limits": [limit]},
    }
    await client.create(r.LIMIT_RANGES, limits, "default")
    with pytest.raises(
        errors.Forbidden, match="minimum cpu usage per Container is 200m, but request is 100m"
    ):
        await resize("100m")
    await resize("300m")
    await uses(client, cpu="300m")


async def test_kubectl_makes_and_describes_quotas_limits_and_classes(
    counting: Client, kubectl: Kubectl
) -> None:
    await kubectl("create", "quota", "q", "--hard=pods=1,cpu=1")
    await uses(counting, pods="0", cpu="0")
    await kubectl(
        "run",
        "a",
        "--image=i",
        "--overrides",
        '{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"500m"}}}]}}',
    )
    refused = await kubectl("run", "b", "--image=i", code=1)
    assert refused.err == (
        'Error from server (Forbidden): pods "b" is forbidden: failed quota: q: must specify cpu for: b\n'
    )
    shown = (await kubectl("get", "quota", "q")).out.split("\n")
    assert shown[0].split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert "cpu: 500m/1, pods: 1/1" in shown[1]
    described = (await kubectl("describe", "quota", "q")).out
    assert [line.split() for line in described.splitlines()[4:6]] == [
        ["cpu", "500m", "1"],
        ["pods", "1", "1"],
    ]
    await kubectl("create", "priorityclass", "gold", "--value=1000", "--description=d")
    described = (await kubectl("get", "priorityclasses")).out
    assert described.split("\n")[0].split() == ["NAME", "VALUE", "GLOBAL-DEFAULT", "AGE", "PREEMPTIONPOLICY"]
    assert [line.split()[:3] for line in described.splitlines()[1:]] == [
        ["gold", "1000", "false"],
        ["system-cluster-critical", "2000000000", "false"],
        ["system-node-critical", "2000001000", "false"],
    ]


async def test_custom_resources_are_counted_as_soon_as_they_are_served(counting: Client) -> None:
    """Upstream: "should create a ResourceQuota and capture the life of a custom resource"."""
    widgets = GVR("example.com", "v1", "widgets")
    await quota(counting, count__widgets_example_com="1")
    await counting.create(r.CUSTOM_RESOURCE_DEFINITIONS, definition(plural="widgets", kind="Widget"))

    async def is_counted() -> bool:
        return await used(counting) == {"count/widgets.example.com": "0"}

    await eventually(is_counted, within=60)

    def widget(name: str) -> Object:
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}}

    await counting.create(widgets, widget("a"), "default")
    with pytest.raises(errors.Forbidden) as refused:
        await counting.create(widgets, widget("b"), "default")
    count = "count/widgets.example.com"
    assert refused.value.message == (
        f'widgets.example.com "b" is forbidden: exceeded quota: q, requested: {count}=1, used: {count}=1, limited: {count}=1'
    )
    await counting.delete(widgets, "a", "default")
    await eventually(is_counted)
    await counting.create(widgets, widget("b"), "default")
