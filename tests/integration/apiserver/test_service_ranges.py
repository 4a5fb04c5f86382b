"""Addresses and ports of services: kept as objects and keys, from several ranges, by several servers, in one or two families."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etcd_server import EtcdServer, etcd
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.local_client import LocalClient
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.store.etcd import EtcdBackend
from pinnace.store.etcd_client import EtcdConfig
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.fake_clock import FakeClock
from pinnace.testing.wait import eventually

__all__ = ["etcd"]

Object = dict[str, Any]


def service(name: str, **spec: Any) -> Object:
    return {
        "kind": "Service", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}, **spec},
    }  # fmt: skip


def cidr(name: str, *ranges: str) -> Object:
    head = {"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name}}
    return {**head, "spec": {"cidrs": list(ranges)}}


async def addresses(client: LocalClient) -> dict[str, str]:
    """address -> the service that has it."""
    items = (await client.list(r.IP_ADDRESSES))["items"]
    return {item["metadata"]["name"]: item["spec"]["parentRef"]["name"] for item in items}


async def test_every_address_of_a_service_is_an_object(local_client: LocalClient) -> None:
    assert await addresses(local_client) == {"10.43.0.1": "kubernetes"}
    made = await local_client.create(r.SERVICES, service("a"))
    own = made["spec"]["clusterIP"]
    assert await addresses(local_client) == {"10.43.0.1": "kubernetes", own: "a"}
    kept = await local_client.get(r.IP_ADDRESSES, own)
    assert kept["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    assert kept["spec"]["parentRef"] == {
        "group": "",
        "resource": "services",
        "namespace": "default",
        "name": "a",
    }
    await local_client.delete(r.SERVICES, "a", "default")
    assert await addresses(local_client) == {"10.43.0.1": "kubernetes"}


async def test_a_refused_or_dry_write_leaves_no_object(local_client: LocalClient) -> None:
    await local_client.create(r.SERVICES, service("a"))
    before = await addresses(local_client)
    with pytest.raises(errors.AlreadyExists):
        await local_client.create(r.SERVICES, service("a"))
    dry = await local_client.create(r.SERVICES, service("b"), dry_run=True)
    assert dry["spec"]["clusterIP"].startswith("10.43.")
    with pytest.raises(errors.Invalid, match="provided port is not in the valid range"):
        await local_client.create(
            r.SERVICES, service("c", type="NodePort", ports=[{"port": 1, "nodePort": 9}])
        )
    assert await addresses(local_client) == before


async def test_an_address_that_somebody_else_has_is_not_given(local_client: LocalClient) -> None:
    parent = {"group": "example.com", "resource": "foos", "name": "f"}
    taken = {"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "10.43.7.7"}}
    await local_client.create(r.IP_ADDRESSES, {**taken, "spec": {"parentRef": parent}})
    with pytest.raises(errors.Invalid) as refused:
        await local_client.create(r.SERVICES, service("a", clusterIP="10.43.7.7"))
    assert "failed to allocate IP 10.43.7.7: provided IP is already allocated" in str(refused.value)
    with pytest.raises(errors.Invalid) as outside:
        await local_client.create(r.SERVICES, service("a", clusterIP="192.168.77.1"))
    assert "the provided IP (192.168.77.1) is not in the valid range. The range of valid IPs is 10.43.0.0/16" in str(outside.value)  # fmt: skip


async def test_more_ranges_give_more_addresses(tmp_path: Path) -> None:
    async with ApiServerInProcess(tmp_path / "pki", service_cidr="10.96.0.0/30") as api:
        client = api.local_client()
        await client.create(r.SERVICES, service("a"))
        with pytest.raises(errors.InternalError, match="failed to allocate a serviceIP: range is full"):
            await client.create(r.SERVICES, service("b"))
        await client.create(r.SERVICE_CIDRS, cidr("second", "10.97.0.0/28"))
        made = await client.create(r.SERVICES, service("b"))
        assert made["spec"]["clusterIP"].startswith("10.97.0.")


async def test_a_range_in_use_stays_until_its_last_service_is_gone(api_server: ApiServerInProcess) -> None:
    client, clock = api_server.local_client(), FakeClock(datetime.now(UTC))
    settings = ControllersConfig(controllers=("service-cidr",))
    running = asyncio.create_task(Controllers(client, clock, settings).run())
    try:
        await client.create(r.SERVICE_CIDRS, cidr("second", "10.97.0.0/28"))

        async def condition(wanted: str) -> Object | None:
            obj = await client.get(r.SERVICE_CIDRS, "second")
            found = (obj.get("status") or {}).get("conditions") or [{}]
            return obj if found[0].get("status") == wanted else None

        ready = await eventually(lambda: condition("True"))
        assert ready["metadata"]["finalizers"] == ["networking.k8s.io/service-cidr-finalizer"]
        await client.create(r.SERVICES, service("a", clusterIP="10.97.0.5"))
        await client.delete(r.SERVICE_CIDRS, "second")
        blocked = await eventually(lambda: condition("False"))
        assert blocked["status"]["conditions"][0]["reason"] == "Terminating"
        with pytest.raises(errors.Invalid, match="not in the valid range"):
            await client.create(r.SERVICES, service("b", clusterIP="10.97.0.6"))
        await client.delete(r.SERVICES, "a", "default")

        async def gone() -> bool:
            await clock.advance(1)
            return all(
                c["metadata"]["name"] != "second" for c in (await client.list(r.SERVICE_CIDRS))["items"]
            )

        await eventually(gone)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_a_killed_server_left_is_put_right_by_the_next(tmp_path: Path) -> None:
    backend = MemoryBackend()
    async with ApiServerInProcess(tmp_path / "a", backend=backend) as api:
        client = api.local_client()
        await client.create(r.SERVICES, service("kept", clusterIP="10.43.0.77"))
        await client.delete(r.IP_ADDRESSES, "10.43.0.77")
        leaked = {
            "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
            "metadata": {
                "name": "10.43.0.78", "creationTimestamp": "2020-01-01T00:00:00Z", "uid": "u",
                "labels": {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"},
            },
            "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "lost"}},
        }  # fmt: skip
        await api.server.services.registries.of(r.IP_ADDRESSES).storage.create(leaked)
    async with ApiServerInProcess(tmp_path / "b", backend=backend) as api:
        client = api.local_client()
        await client.create(r.SERVICES, service("new", clusterIP="10.43.0.78"))
        found = await addresses(client)
        assert (found["10.43.0.77"], found["10.43.0.78"]) == ("kept", "new")


async def test_the_default_range_follows_the_flag_into_dual_stack(tmp_path: Path) -> None:
    backend = MemoryBackend()
    for name, flag in (("a", "10.43.0.0/16"), ("b", "10.43.0.0/16,fd00:43::/112"), ("c", "10.99.0.0/16")):
        async with ApiServerInProcess(tmp_path / name, backend=backend, service_cidr=flag) as api:
            stored = await api.local_client().get(r.SERVICE_CIDRS, "kubernetes")
        assert stored["spec"]["cidrs"] == (
            ["10.43.0.0/16"] if name == "a" else ["10.43.0.0/16", "fd00:43::/112"]
        )


async def test_a_dual_stack_service_has_an_address_of_each_family(tmp_path: Path) -> None:
    async with ApiServerInProcess(tmp_path / "pki", service_cidr="10.43.0.0/16,fd00:43::/112") as api:
        client = api.local_client()
        single = await client.create(r.SERVICES, service("a"))
        assert single["spec"]["ipFamilies"] == ["IPv4"]
        wider = await client.patch(
            r.SERVICES, "a", {"spec": {"ipFamilyPolicy": "PreferDualStack"}}, "default"
        )
        assert wider["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
        first, second = wider["spec"]["clusterIPs"]
        assert first == single["spec"]["clusterIP"]
        assert second.startswith("fd00:43::")
        assert (await addresses(client))[second] == "a"
        narrow = await client.patch(r.SERVICES, "a", {"spec": {"ipFamilyPolicy": "SingleStack"}}, "default")
        assert narrow["spec"]["clusterIPs"] == [first]
        assert second not in await addresses(client)

        spec = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}
        six = await client.create(r.SERVICES, service("b", **spec))
        assert [":" in ip for ip in six["spec"]["clusterIPs"]] == [True, False]
        assert six["spec"]["clusterIP"] == six["spec"]["clusterIPs"][0]


async def test_a_service_that_becomes_external_gives_everything_back(local_client: LocalClient) -> None:
    made = await local_client.create(r.SERVICES, service("a", type="NodePort"))
    port, own = made["spec"]["ports"][0]["nodePort"], made["spec"]["clusterIP"]
    change = {"spec": {"type": "ExternalName", "externalName": "example.com"}}
    changed = await local_client.patch(r.SERVICES, "a", change, "default")
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & changed["spec"].keys()
    assert "nodePort" not in changed["spec"]["ports"][0]
    ports = [{"port": 80, "nodePort": port}]
    await local_client.create(r.SERVICES, service("b", type="NodePort", clusterIP=own, ports=ports))


async def test_servers_on_one_store_never_give_one_address_or_port_twice(
    etcd: EtcdServer, tmp_path: Path
) -> None:
    def server(name: str) -> ApiServerInProcess:
        backend = EtcdBackend(EtcdConfig((etcd.url,), prefix=f"/{tmp_path.name}"), RealClock())
        return ApiServerInProcess(
            tmp_path / name,
            backend=backend,
            service_cidr="10.96.0.0/27",
            service_node_port_range=(30000, 30019),
        )

    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(server(name)) for name in ("one", "two")]
        clients = [api.local_client() for api in servers]
        made = await asyncio.gather(
            *(clients[n % 2].create(r.SERVICES, service(f"s{n}", type="NodePort")) for n in range(20))
        )
        ips = [svc["spec"]["clusterIP"] for svc in made]
        ports = [svc["spec"]["ports"][0]["nodePort"] for svc in made]
        assert (len(set(ips)), len(set(ports))) == (20, 20)
        with pytest.raises(errors.InternalError, match="failed to allocate a nodePort: range is full"):
            await clients[0].create(r.SERVICES, service("more", type="NodePort"))
        await clients[1].delete(
            r.SERVICES, "s7", "default"
        )  # the other server finds what this one gives back
        again = await clients[0].create(r.SERVICES, service("again", type="NodePort"))
        assert again["spec"]["ports"][0]["nodePort"] == ports[7]
