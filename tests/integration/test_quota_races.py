"""A quota is never over-committed, whoever races whom: creates, deletes, the controller."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]


def quota(name: str, hard: dict[str, str]) -> Object:
    return {
        "kind": "ResourceQuota",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hard": hard},
    }


def config_map(name: str) -> Object:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}


async def calculated(client: Client, name: str, **status: Any) -> None:
    """As the controller does for a new quota."""
    made = await client.get(r.RESOURCE_QUOTAS, name, "default")
    await client.update(r.RESOURCE_QUOTAS, {**made, "status": status}, subresource="status")


async def attempt(client: Client, name: str) -> str:
    try:
        await client.create(r.CONFIG_MAPS, config_map(name), "default")
    except errors.Forbidden as error:
        expected = "exceeded quota: q, requested: configmaps=1, used: configmaps="
        return "refused" if expected in error.message else error.message
    return "created"


async def count(client: Client) -> int:
    return len((await client.list(r.CONFIG_MAPS, "default"))["items"])


async def used(client: Client) -> str:
    status = (await client.get(r.RESOURCE_QUOTAS, "q", "default")).get("status") or {}
    return (status.get("used") or {}).get("configmaps", "")


async def test_of_200_racing_creates_exactly_as_many_succeed_as_fit(local_client: Client) -> None:
    client = local_client
    await client.create(r.RESOURCE_QUOTAS, quota("q", {"configmaps": "37"}), "default")
    await calculated(client, "q", hard={"configmaps": "37"}, used={"configmaps": "0"})
    results = await asyncio.gather(*(attempt(client, f"c-{n}") for n in range(200)))
    assert results.count("created") == 37
    assert await count(client) == 37
    assert await used(client) == "37"


async def test_two_servers_on_one_store_share_a_quota(tmp_path: Path) -> None:
    backend = MemoryBackend()
    async with ApiServerInProcess(tmp_path / "one", backend=backend) as one:
        # The second server has a plugin, queue and cache of its own on the same revisions.
        from pinnace.apiserver.assembly import build_services
        from pinnace.apiserver.local_client import LocalClient

        other = LocalClient(build_services(one.config, backend, RealClock()), "admin", ("system:masters",))
        client = one.local_client()
        await client.create(r.RESOURCE_QUOTAS, quota("q", {"configmaps": "21"}), "default")
        await calculated(client, "q", hard={"configmaps": "21"}, used={"configmaps": "0"})
        results = await asyncio.gather(*(attempt((client, other)[n % 2], f"c-{n}") for n in range(100)))
        assert results.count("created") == 21
        assert await used(client) == "21"


async def test_a_request_that_one_quota_refuses_is_not_charged_to_another(local_client: Client) -> None:
    client = local_client
    for name, limit in (("a", "5"), ("q", "2")):
        await client.create(r.RESOURCE_QUOTAS, quota(name, {"configmaps": limit}), "default")
        await calculated(client, name, hard={"configmaps": limit}, used={"configmaps": "0"})
    results = await asyncio.gather(*(attempt(client, f"c-{n}") for n in range(4)))
    assert results.count("created") == 2
    first = await client.get(r.RESOURCE_QUOTAS, "a", "default")
    assert first["status"]["used"] == {"configmaps": "2"}


async def test_a_dry_run_is_judged_and_not_charged(local_client: Client) -> None:
    client = local_client
    await client.create(r.RESOURCE_QUOTAS, quota("q", {"configmaps": "1"}), "default")
    await calculated(client, "q", hard={"configmaps": "1"}, used={"configmaps": "0"})
    await client.create(r.CONFIG_MAPS, config_map("a"), "default", dry_run=True)
    assert await used(client) == "0"
    await client.create(r.CONFIG_MAPS, config_map("a"), "default")
    with pytest.raises(errors.Forbidden):
        await client.create(r.CONFIG_MAPS, config_map("b"), "default", dry_run=True)


async def test_the_controller_never_gives_back_what_is_about_to_be_used(
    api_server: ApiServerInProcess,
) -> None:
    """Creates and deletes race the controller's counting: at no time is more there than the quota allows."""
    manager = api_server.local_client("system:kube-controller-manager", ())
    config = ControllersConfig(("resourcequota",))
    running = asyncio.create_task(Controllers(manager, RealClock(), config).run())
    client = api_server.local_client()
    await client.create(r.RESOURCE_QUOTAS, quota("q", {"configmaps": "10"}), "default")

    async def is_calculated() -> bool:
        return await used(client) == "0"

    await eventually(is_calculated)
    most = 0

    async def churn(worker: int) -> int:
        nonlocal most
        made = 0
        for n in range(60):
            name = f"c-{worker}-{n}"
            if await attempt(client, name) == "created":
                made += 1
                most = max(most, await count(client))
                await client.delete(r.CONFIG_MAPS, name, "default")
            await asyncio.sleep(0.01)
        return made

    made = await asyncio.gather(*(churn(worker) for worker in range(8)))
    assert most <= 10
    assert sum(made) > 10  # what was deleted was given back meanwhile
    await eventually(is_calculated)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
