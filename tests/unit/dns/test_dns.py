import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from pinnace.api.resources import ENDPOINT_SLICES, SERVICES
from pinnace.component.clock import RealClock
from pinnace.dns.records import Zone
from pinnace.dns.server import DnsConfig, DnsServer
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.wait import eventually


def service(name: str, **spec: object) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    }


def piece(name: str, *endpoints: dict, ports: tuple[dict, ...] = ()) -> dict:
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": f"{name}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
        "endpoints": list(endpoints), "ports": list(ports),
    }  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    client = FakeClient(
        [
            service(
                "web",
                clusterIP="10.43.0.7",
                ports=[{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            ),
            service("db", clusterIP="None", ports=[{"name": "sql", "port": 5432}]),
            piece(
                "db",
                {"addresses": ["10.42.0.3"], "hostname": "db-0", "conditions": {"ready": True}},
                {"addresses": ["10.42.0.4"], "conditions": {"ready": False}},
                {"addresses": ["10.42.0.5"], "conditions": {"ready": True}},
                ports=({"name": "sql", "port": 5432, "protocol": "TCP"},),
            ),
            service("away", type="ExternalName", externalName="web.shop.svc.cluster.local"),
        ]
    )
    dns = DnsServer(client, RealClock(), DnsConfig("127.0.0.1", 0, upstreams=("127.0.0.1:1",)))
    task = asyncio.create_task(dns.run())
    ready = asyncio.create_task(dns.listening())
    await asyncio.wait({task, ready}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert ready.done(), "the name server did not start"
    dns.fake = client  # type: ignore[attr-defined]
    yield dns
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ask(dns: DnsServer, name: str, kind: str = "A") -> DNSRecord:
    return DNSRecord.parse(await dns.respond(bytes(DNSRecord.question(name, kind).pack())))


def values(reply: DNSRecord) -> list[str]:
    return sorted(str(rr.rdata) for rr in reply.rr)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.shop.svc.cluster.local", "A", ["10.43.0.7"]),
        ("WEB.Shop.svc.cluster.local", "A", ["10.43.0.7"]),
        ("_http._tcp.web.shop.svc.cluster.local", "SRV", ["0 100 80 web.shop.svc.cluster.local."]),
        ("_dns._udp.web.shop.svc.cluster.local", "SRV", ["0 100 53 web.shop.svc.cluster.local."]),
        ("db.shop.svc.cluster.local", "A", ["10.42.0.3", "10.42.0.5"]),
        ("db-0.db.shop.svc.cluster.local", "A", ["10.42.0.3"]),
        ("10-42-0-5.db.shop.svc.cluster.local", "A", ["10.42.0.5"]),
        ("_sql._tcp.db.shop.svc.cluster.local", "SRV",
         ["0 100 5432 10-42-0-5.db.shop.svc.cluster.local.", "0 100 5432 db-0.db.shop.svc.cluster.local."]),
        ("7.0.43.10.in-addr.arpa", "PTR", ["web.shop.svc.cluster.local."]),
        ("3.0.42.10.in-addr.arpa", "PTR", ["db-0.db.shop.svc.cluster.local."]),
        ("10-42-0-9.shop.pod.cluster.local", "A", ["10.42.0.9"]),
        ("away.shop.svc.cluster.local", "A", ["10.43.0.7", "web.shop.svc.cluster.local."]),
        ("dns-version.cluster.local", "TXT", ['"1.1.0"']),
    ],
)  # fmt: skip
async def test_names_of_the_specification(
    server: DnsServer, name: str, kind: str, expected: list[str]
) -> None:
    reply = await ask(server, name, kind)
    assert (values(reply), reply.header.rcode) == (expected, RCODE.NOERROR)


async def test_unknown_name_is_nxdomain_and_known_name_without_the_type_is_empty(server: DnsServer) -> None:
    missing = await ask(server, "nobody.shop.svc.cluster.local")
    assert missing.header.rcode == RCODE.NXDOMAIN
    assert missing.auth[0].rtype == QTYPE.SOA
    for name, kind in (
        ("web.shop.svc.cluster.local", "AAAA"),
        ("shop.svc.cluster.local", "A"),
        ("svc.cluster.local", "A"),
    ):
        empty = await ask(server, name, kind)
        assert (empty.header.rcode, empty.rr) == (RCODE.NOERROR, [])


async def test_follows_changes_of_services_and_slices(server: DnsServer) -> None:
    client: FakeClient = server.fake  # type: ignore[attr-defined]
    await client.delete(SERVICES, "web", "shop")
    await client.patch(ENDPOINT_SLICES, "db-1", {"endpoints": [{"addresses": ["10.42.0.8"]}]}, "shop")

    async def changed() -> bool:
        gone = (await ask(server, "web.shop.svc.cluster.local")).header.rcode == RCODE.NXDOMAIN
        return gone and values(await ask(server, "db.shop.svc.cluster.local")) == ["10.42.0.8"]

    await eventually(changed)
    assert (
        await ask(server, "7.0.43.10.in-addr.arpa", "PTR")
    ).header.rcode == RCODE.SERVFAIL  # forwarded: not ours any more


async def test_over_udp_and_tcp(server: DnsServer) -> None:
    question = bytes(DNSRecord.question("web.shop.svc.cluster.local").pack())
    loop = asyncio.get_running_loop()
    for tcp in (False, True):
        wire = await loop.run_in_executor(
            None, lambda tcp=tcp: DNSRecord.parse(question).send("127.0.0.1", server.port, tcp=tcp, timeout=5)
        )
        assert values(DNSRecord.parse(wire)) == ["10.43.0.7"]


async def test_a_large_answer_over_udp_is_truncated(server: DnsServer) -> None:
    client: FakeClient = server.fake  # type: ignore[attr-defined]
    many = [{"addresses": [f"10.42.1.{n}"]} for n in range(200)]
    await client.patch(ENDPOINT_SLICES, "db-1", {"endpoints": many}, "shop")

    async def truncated() -> bool:
        return bool((await ask(server, "db.shop.svc.cluster.local")).header.tc)

    await eventually(truncated)


@pytest.mark.parametrize("wire", [b"", b"\x00", b"\xff" * 40, bytes(12)])
async def test_garbage_is_not_answered(server: DnsServer, wire: bytes) -> None:
    assert await server.respond(wire) == b""


def test_zone_forgets_what_a_service_no_longer_has() -> None:
    zone, rng = Zone("cluster.local"), random.Random(1)
    for _ in range(200):
        key = ("n", f"s{rng.randrange(5)}")
        zone.replace(key, {} if rng.random() < 0.4 else {f"{key[1]}.n.svc.cluster.local": []})
    for number in range(5):
        zone.replace(("n", f"s{number}"), {})
    assert zone.lookup("n.svc.cluster.local") is None
    assert zone.lookup("svc.cluster.local") is None
