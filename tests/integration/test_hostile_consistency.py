"""Configuration that stands in the server's own way, and two servers on one store that must agree."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from custom_resources import FOOS, change, definition, establish, foo, version
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]


class Kept:
    """A store that outlives its server, and that two servers may share."""

    def __init__(self) -> None:
        self._backend = MemoryBackend()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def close(self) -> None:
        return None

    async def end(self) -> None:
        await self._backend.close()


@pytest_asyncio.fixture
async def kept() -> AsyncGenerator[Any, None]:
    backend = Kept()
    yield backend
    await backend.end()


@pytest_asyncio.fixture
async def pair(kept: Any, tmp_path: Path) -> AsyncGenerator[tuple[Client, Client], None]:
    async with (
        ApiServerInProcess(tmp_path / "one", backend=kept) as one,
        ApiServerInProcess(tmp_path / "two", backend=kept) as two,
    ):
        yield one.local_client(), two.local_client()


def catch_all(kind: str) -> Object:
    """Wants everything, answers nothing, and must be asked."""
    rules = [
        {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"], "scope": "*"}
    ]
    hook = {
        "name": "all.example.com", "rules": rules, "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/"},
    }  # fmt: skip
    return {
        "kind": kind,
        "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": "all"},
        "webhooks": [hook],
    }


def extension(name: str, group: str) -> Object:
    spec = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": True,
            "service": {"namespace": "default", "name": "nowhere", "port": 443}}  # fmt: skip
    return {
        "kind": "APIService",
        "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": name},
        "spec": spec,
    }


async def test_a_server_starts_whatever_webhooks_and_extension_servers_are_down(
    kept: Any, tmp_path: Path
) -> None:
    kinds = {
        r.MUTATING_WEBHOOK_CONFIGURATIONS: "MutatingWebhookConfiguration",
        r.VALIDATING_WEBHOOK_CONFIGURATIONS: "ValidatingWebhookConfiguration",
    }
    async with ApiServerInProcess(tmp_path / "one", backend=kept) as api:
        client = api.local_client()
        await establish(client, definition())
        await client.create(r.API_SERVICES, extension("v1.absent.example.com", "absent.example.com"))
        for gvr, kind in kinds.items():
            await client.create(gvr, catch_all(kind))
    async with asyncio.timeout(20), ApiServerInProcess(tmp_path / "two", backend=kept) as api:
        client = api.local_client()
        with pytest.raises(errors.InternalError, match="failed calling webhook"):
            await client.create(FOOS, foo(), "default")
        with pytest.raises(errors.InternalError, match="failed calling webhook"):
            await client.delete(r.CUSTOM_RESOURCE_DEFINITIONS, "foos.example.com")
        assert (await client.list(FOOS))["items"] == []
        for gvr in kinds:  # nothing may keep an admin from taking them away
            await client.delete(gvr, "all")
        await client.create(FOOS, foo(), "default")


async def test_racing_services_of_two_servers_get_addresses_and_ports_of_their_own(
    pair: tuple[Client, Client],
) -> None:
    def service(number: int) -> Object:
        spec = {"type": "NodePort", "ports": [{"port": 80}], "selector": {"a": "b"}}
        return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": f"s{number}"}, "spec": spec}

    made = await asyncio.gather(
        *(pair[number % 2].create(r.SERVICES, service(number), "default") for number in range(60))
    )
    assert len({one["spec"]["clusterIP"] for one in made}) == 60
    assert len({one["spec"]["ports"][0]["nodePort"] for one in made}) == 60
    fixed = made[0]["spec"]["ports"][0]["nodePort"]

    async def take(number: int) -> str:
        body = service(100 + number)
        body["spec"]["ports"][0]["nodePort"] = fixed - 1 if fixed > 30000 else fixed + 1
        try:
            await pair[number % 2].create(r.SERVICES, body, "default")
        except errors.Invalid as error:
            return error.message
        return "made"

    results = await asyncio.gather(*(take(number) for number in range(8)))
    others = [text for text in results if text != "made"]
    assert len(others) >= 7
    assert all("provided port is already allocated" in text for text in others)


async def test_a_schema_that_one_server_got_is_the_others_too_while_objects_are_written(
    pair: tuple[Client, Client],
) -> None:
    """Writes go on while the definition changes: each is judged by the old schema or the new one, and none is lost."""
    one, two = pair
    await establish(one, definition())
    strict = version(
        "v1",
        {
            "type": "object",
            "properties": {
                "spec": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}}
            },
        },
    )
    written: list[str] = []

    async def write(client: Client, number: int) -> None:
        for index in range(10):
            name = f"f-{number}-{index}"
            await client.create(FOOS, foo(name, spec={"n": 1}), "default")
            written.append(name)

    async def tighten() -> None:
        for _ in range(4):
            await change(one, "foos.example.com", versions=[strict])
            await change(two, "foos.example.com", versions=[version()])
        await change(one, "foos.example.com", versions=[strict])

    await asyncio.gather(tighten(), *(write(pair[number % 2], number) for number in range(4)))
    for client in pair:
        listed = await client.list(FOOS, "default")
        assert sorted(item["metadata"]["name"] for item in listed["items"]) == sorted(written)

    async def refused() -> bool:
        try:
            await two.create(FOOS, foo("bad", spec={"n": 9}), "default", dry_run=True)
        except errors.Invalid:
            return True
        return False

    await eventually(refused)


async def test_a_watch_lives_through_changes_of_its_definition(pair: tuple[Client, Client]) -> None:
    one, two = pair
    await establish(one, definition())
    listed = await two.list(FOOS, "default")
    seen: list[str] = []

    async def follow() -> None:
        async for event in two.watch(FOOS, "default", resource_version=listed["metadata"]["resourceVersion"]):
            if event.type == "ADDED":
                seen.append(event.object["metadata"]["name"])
            if len(seen) == 6:
                return

    async def write() -> None:
        for number in range(6):
            await one.create(FOOS, foo(f"f{number}"), "default")
            labels = {"metadata": {"labels": {"n": str(number)}}}
            await one.patch(r.CUSTOM_RESOURCE_DEFINITIONS, "foos.example.com", labels)

    async with asyncio.timeout(20):
        await asyncio.gather(follow(), write())
    assert seen == [f"f{number}" for number in range(6)]
