"""Several API servers on one etcd, and etcd that goes away and comes back."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from custom_resources import FOOS, definition, establish, foo, gone
from etcd_server import EtcdServer, etcd, free_port
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.rest import RestClient
from pinnace.component.clock import RealClock
from pinnace.store.backend import KeyValue, OutcomeUnknown, StoreError, StoreUnavailable
from pinnace.store.etcd import EtcdBackend
from pinnace.store.etcd_client import EtcdClient, EtcdConfig
from pinnace.store.watch import BufferedWatch
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.certificates import TestAuthority

__all__ = ["etcd"]

PATH = "/api/v1/namespaces/default/configmaps"


def config_map(name: str, value: str = "") -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"value": value}}


def api_server(directory: Path, server: EtcdServer, prefix: str) -> ApiServerInProcess:
    directory.mkdir()
    backend = EtcdBackend(EtcdConfig((server.url,), prefix=prefix), RealClock())
    return ApiServerInProcess(directory, backend=backend)


@pytest_asyncio.fixture
async def pair(etcd: EtcdServer, tmp_path: Path) -> "AsyncGenerator[list[ApiServerInProcess], None]":
    """Two API servers that begin at the same time on an empty etcd."""
    servers = [api_server(tmp_path / name, etcd, f"/{tmp_path.name}") for name in ("one", "two")]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(server) for server in servers))
        yield servers


@pytest.fixture
def own_etcd(tmp_path: Path) -> Generator[EtcdServer, None, None]:
    (tmp_path / "etcd").mkdir()
    server = EtcdServer(tmp_path / "etcd")
    try:
        server.start()
        yield server
    finally:
        server.kill()


async def newest(client: RestClient) -> str:
    return (await client.list(r.CONFIG_MAPS, "default"))["metadata"]["resourceVersion"]


class Watching:
    """What a watch of all ConfigMaps over HTTPS has told so far."""

    def __init__(self, api: ApiServerInProcess) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self._api, self._changed = api, asyncio.Event()

    async def run(self, since: str) -> None:
        async for event in self._api.rest_client().watch(r.CONFIG_MAPS, "default", resource_version=since):
            metadata = event.object["metadata"]
            self.seen.append((event.type, metadata["name"], int(metadata["resourceVersion"])))
            self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()


async def test_what_one_server_wrote_the_other_reads_at_once(pair: list[ApiServerInProcess]) -> None:
    one, two = (server.rest_client() for server in pair)
    for number in range(10):
        made = await one.create(r.CONFIG_MAPS, config_map(f"c{number}"), "default")
        assert await two.get(r.CONFIG_MAPS, f"c{number}", "default") == made
        assert len((await two.list(r.CONFIG_MAPS, "default"))["items"]) == number + 1
        made["data"] = {"value": "changed"}
        await two.update(r.CONFIG_MAPS, made)
        assert (await one.get(r.CONFIG_MAPS, f"c{number}", "default"))["data"] == {"value": "changed"}


@pytest.mark.slow
async def test_servers_watch_each_others_writes_with_the_same_revisions(
    pair: list[ApiServerInProcess],
) -> None:
    since = await newest(pair[0].rest_client())
    watches = [Watching(server) for server in pair]
    tasks = [asyncio.create_task(watch.run(since)) for watch in watches]
    for number in range(5):
        client = pair[number % 2].rest_client()
        made = await client.create(r.CONFIG_MAPS, config_map(f"c{number}"), "default")
        await pair[1 - number % 2].rest_client().update(r.CONFIG_MAPS, {**made, "data": {"value": "2"}})
        await client.delete(r.CONFIG_MAPS, f"c{number}", "default")
    for watch in watches:
        await watch.until(15)
    assert watches[0].seen == watches[1].seen
    assert [kind for kind, _, _ in watches[0].seen] == ["ADDED", "MODIFIED", "DELETED"] * 5
    for task in tasks:
        task.cancel()


async def test_concurrent_updates_through_both_servers_lose_nothing(pair: list[ApiServerInProcess]) -> None:
    made = await pair[0].rest_client().create(r.CONFIG_MAPS, config_map("n", "0"), "default")

    async def increment(server: ApiServerInProcess) -> None:
        client, done = server.rest_client(), 0
        while done < 10:
            current = await client.get(r.CONFIG_MAPS, "n", "default")
            current["data"] = {"value": str(int(current["data"]["value"]) + 1)}
            try:
                await client.update(r.CONFIG_MAPS, current)
                done += 1
            except errors.Conflict:
                pass

    await asyncio.gather(*(increment(server) for server in pair))
    final = await pair[1].rest_client().get(r.CONFIG_MAPS, "n", "default")
    assert final["data"] == {"value": "20"}
    assert final["metadata"]["uid"] == made["metadata"]["uid"]


async def test_reads_are_consistent_while_others_write_to_the_same_etcd(
    pair: list[ApiServerInProcess], etcd: EtcdServer
) -> None:
    """Revisions of keys that are not ours never come by the watch."""
    stranger = EtcdClient(EtcdConfig((etcd.url,)))
    client = pair[0].rest_client()
    for _ in range(3):
        foreign = (await stranger.call("KV/Put", key=b"/elsewhere", value=b"x")).header.revision
        async with asyncio.timeout(2):
            assert int(await newest(client)) >= foreign
    await stranger.close()


async def test_a_custom_resource_is_served_by_every_server(pair: list[ApiServerInProcess]) -> None:
    one, two = (server.rest_client() for server in pair)
    await establish(one, definition())
    made = await two.create(FOOS, foo(), "default")
    assert await one.get(FOOS, "a", "default") == made
    await two.delete(r.CUSTOM_RESOURCE_DEFINITIONS, "foos.example.com")
    await gone(one, "foos.example.com")
    await gone(two, "foos.example.com")
    with pytest.raises(errors.NotFound):
        await two.list(FOOS)
    await establish(two, definition(scope="Cluster"))
    assert (await one.list(FOOS))["items"] == []


async def test_custom_resources_are_served_from_the_start(etcd: EtcdServer, tmp_path: Path) -> None:
    async with api_server(tmp_path / "one", etcd, f"/{tmp_path.name}") as first:
        client = first.rest_client()
        await establish(client, definition())
        await client.create(FOOS, foo(), "default")
    async with api_server(tmp_path / "two", etcd, f"/{tmp_path.name}") as second:
        listed = await second.rest_client().list(FOOS, "default")
        assert [one["metadata"]["name"] for one in listed["items"]] == ["a"]


async def test_etcd_killed_and_started_again(own_etcd: EtcdServer, tmp_path: Path) -> None:
    """Meanwhile requests are refused with a Status that says why; an open watch goes on without loss or repetition."""
    async with api_server(tmp_path / "api", own_etcd, "") as api:
        client = api.rest_client()
        since = await newest(client)
        watch = Watching(api)
        watching = asyncio.create_task(watch.run(since))
        await client.create(r.CONFIG_MAPS, config_map("before"), "default")
        await watch.until(1)
        own_etcd.kill()
        with pytest.raises((errors.ServiceUnavailable, errors.Timeout), match="etcd at http"):
            await client.create(r.CONFIG_MAPS, config_map("during"), "default")
        with pytest.raises(errors.ServiceUnavailable, match="etcd at http"):
            await client.get(r.CONFIG_MAPS, "before", "default")
        cached = await client.raw("GET", f"{PATH}/before", query={"resourceVersion": "0"})
        assert cached["metadata"]["name"] == "before"
        await asyncio.to_thread(own_etcd.start)
        await _when_back(client)
        await client.delete(r.CONFIG_MAPS, "before", "default")
        await watch.until(3)
        assert [event[:2] for event in watch.seen] == [
            ("ADDED", "before"),
            ("ADDED", "after"),
            ("DELETED", "before"),
        ]
        watching.cancel()


async def _when_back(client: RestClient) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.create(r.CONFIG_MAPS, config_map("after"), "default")
            except errors.ServiceUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_etcd_that_lost_its_data_ends_watches_instead_of_being_awaited(
    own_etcd: EtcdServer,
) -> None:
    store, watch = EtcdBackend(EtcdConfig((own_etcd.url,), span="/x/"), RealClock()), BufferedWatch()
    await store.open()
    for number in range(5):
        newest = await store.create(f"/x/{number}", b"")
    await store.subscribe("/x/", newest, watch)
    await asyncio.to_thread(own_etcd.lose_data)
    await asyncio.to_thread(own_etcd.start)
    with pytest.raises(StoreUnavailable, match="lost revisions"):
        await asyncio.wait_for(anext(watch), 10)
    revision = await store.create("/x/0", b"")
    assert revision < newest
    assert (await store.range("/x/", "/x0")).revision == revision
    await store.close()


@pytest.mark.slow
async def test_etcd_that_hangs_makes_requests_time_out(own_etcd: EtcdServer, tmp_path: Path) -> None:
    """A write that was sent and not answered is not called failed: it is done when etcd goes on."""
    async with api_server(tmp_path / "api", own_etcd, "") as api:
        client, store = api.rest_client(), EtcdBackend(EtcdConfig((own_etcd.url,), span="/x/"), RealClock())
        await store.open()
        own_etcd.signal(signal.SIGSTOP)
        try:
            refused, unknown = await asyncio.gather(
                client.create(r.CONFIG_MAPS, config_map("late"), "default"),
                store.create("/x/late", b"1"),
                return_exceptions=True,
            )
        finally:
            own_etcd.signal(signal.SIGCONT)
        assert isinstance(refused, errors.ServiceUnavailable)
        assert isinstance(unknown, OutcomeUnknown)
        assert "etcd at http" in str(refused)
        await _when_back(client)
        await store.close()


WRITER = """
import asyncio, os, sys
from pinnace.component.clock import RealClock
from pinnace.store.backend import KeyValue, OutcomeUnknown, StoreError, StoreUnavailable
from pinnace.store.etcd import EtcdBackend
from pinnace.store.etcd_client import EtcdConfig

async def write(backend, worker):
    for number in range(100_000):
        key = f"/w/{worker}/{number:06}"
        revision = await backend.create(key, key.encode() * 40)
        os.write(1, f"{revision} {key}\\n".encode())

async def main():
    backend = EtcdBackend(EtcdConfig((sys.argv[1],), span="/w/"), RealClock())
    await backend.open()
    await asyncio.gather(*(write(backend, worker) for worker in range(16)))

asyncio.run(main())
"""


async def test_kill_9_of_a_writer_loses_nothing_that_was_acknowledged(own_etcd: EtcdServer) -> None:
    source = str(Path(__file__).parents[2] / "src")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, own_etcd.url, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}
    )  # fmt: skip
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(200)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    store = EtcdBackend(EtcdConfig((own_etcd.url,), span="/w/"), RealClock())
    await store.open()
    stored = {kv.key: kv.mod_revision for kv in (await store.range("/w/", "/w0")).kvs}
    acknowledged = [line.split() for line in lines if line.endswith(b"\n")]
    assert len(acknowledged) >= 200
    assert all(stored[key.decode()] == int(revision) for revision, key in acknowledged)
    await store.close()


async def test_login_with_rights_for_the_prefix_only(own_etcd: EtcdServer) -> None:
    def gateway(path: str, **body: Any) -> None:
        request = urllib.request.Request(f"{own_etcd.url}/v3/auth/{path}", json.dumps(body).encode())
        urllib.request.urlopen(request, timeout=5).close()

    def enable() -> None:
        first, last = (base64.b64encode(key).decode() for key in (b"/registry/", b"/registry0"))
        permission = {"permType": "READWRITE", "key": first, "range_end": last}
        for user, role in (("root", "root"), ("pinnace", "registry")):
            gateway("user/add", name=user, password="secret")
            gateway("role/add", name=role)
            gateway("user/grant", user=user, role=role)
        gateway("role/grant", name="registry", perm=permission)
        gateway("enable")

    await asyncio.to_thread(enable)
    config = EtcdConfig((own_etcd.url,), user="pinnace", password="secret")
    store = EtcdBackend(config, RealClock())
    await store.open()
    made = await store.create("/registry/a", b"1")
    assert await store.get("/registry/a") == KeyValue("/registry/a", b"1", made, made)
    with pytest.raises(StoreError, match="permission denied"):
        await store.create("/elsewhere", b"1")
    await store.close()
    with pytest.raises(StoreError, match="authentication failed"):
        await EtcdBackend(replace(config, password="wrong"), RealClock()).open()


async def test_client_certificates(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "pki")
    serving, client = authority.server(), authority.client("pinnace")
    server = EtcdServer(
        tmp_path, f"--cert-file={serving.certificate}", f"--key-file={serving.key}", "--client-cert-auth",
        f"--trusted-ca-file={authority.ca}", scheme="https",
    )  # fmt: skip
    try:
        await asyncio.to_thread(server.start)
        config = EtcdConfig(
            (server.url,), ca_file=str(authority.ca), cert_file=str(client.certificate), key_file=str(client.key)
        )  # fmt: skip
        store = EtcdBackend(config, RealClock())
        await store.open()
        assert await store.create("/registry/a", b"1") > 1
        await store.close()
        with pytest.raises(StoreError):
            await EtcdBackend(EtcdConfig((server.url,), ca_file=str(authority.ca)), RealClock()).open()
    finally:
        server.kill()


async def test_second_server_is_used_when_the_first_is_gone(own_etcd: EtcdServer) -> None:
    config = EtcdConfig((f"http://127.0.0.1:{free_port()}", own_etcd.url))
    store = EtcdBackend(config, RealClock())
    await store.open()
    assert await store.create("/registry/a", b"1") > 1
    await store.close()
