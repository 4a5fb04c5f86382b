import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.resources import ENDPOINT_SLICES, SERVICES
from pinnace.component.clock import RealClock
from pinnace.dns.answer_cache import AnswerCache
from pinnace.dns.records import Address, Srv, Zone
from pinnace.dns.server import DnsConfig, DnsServer
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.wait import eventually
from properties import examples


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


@pytest.mark.parametrize("message", [b"", b"\x00", b"\xff" * 40])
async def test_what_is_no_question_is_not_answered(server: DnsServer, message: bytes) -> None:
    assert await server.respond(message) == b""


WEB = "web.shop.svc.cluster.local"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (bytes(12), RCODE.FORMERR),
        (bytes(DNSRecord.question(WEB).pack())[:-1], RCODE.FORMERR),
        (bytes(DNSRecord.question(WEB).pack())[:20], RCODE.FORMERR),
        (bytes(DNSRecord(DNSHeader(opcode=2), q=DNSQuestion(WEB)).pack()), RCODE.NOTIMP),
        (bytes(DNSRecord(DNSHeader(opcode=5)).pack()), RCODE.NOTIMP),
        (bytes(DNSRecord.question(WEB, "AXFR").pack()), RCODE.REFUSED),
        (bytes(DNSRecord.question(WEB, "A", "CH").pack()), RCODE.REFUSED),
    ],
    ids=[
        "empty",
        "no class",
        "cut off",
        "status",
        "update",
        "transfer",
        "chaos",
    ],  # the ids of messages are random
)
async def test_what_cannot_be_answered_gets_the_code_that_says_why(
    server: DnsServer, message: bytes, code: int
) -> None:
    assert DNSRecord.parse(await server.respond(message)).header.rcode == code


async def test_edns_is_answered_with_edns(server: DnsServer) -> None:
    plain = await ask(server, WEB)
    assert plain.ar == []
    asked = DNSRecord.question(WEB)
    asked.add_ar(EDNS0(flags="do", udp_len=4096))
    reply = DNSRecord.parse(await server.respond(bytes(asked.pack())))
    (opt,) = reply.ar
    assert (opt.rtype, opt.rclass, opt.edns_do, values(reply)) == (QTYPE.OPT, 1232, 1, ["10.43.0.7"])
    newer = DNSRecord.question(WEB)
    newer.add_ar(EDNS0(version=1))
    reply = DNSRecord.parse(await server.respond(bytes(newer.pack())))
    assert (reply.header.rcode, reply.ar[0].edns_rcode) == (0, 1), "BADVERS is 16"
    twice = DNSRecord.question(WEB)
    twice.add_ar(EDNS0())
    twice.add_ar(EDNS0())
    assert DNSRecord.parse(await server.respond(bytes(twice.pack()))).header.rcode == RCODE.FORMERR


async def test_edns_makes_room_for_more(server: DnsServer) -> None:
    client: FakeClient = server.fake  # type: ignore[attr-defined]
    some = [{"addresses": [f"10.42.1.{n}"]} for n in range(50)]
    await client.patch(ENDPOINT_SLICES, "db-1", {"endpoints": some}, "shop")
    asked = DNSRecord.question("db.shop.svc.cluster.local")
    asked.add_ar(EDNS0(udp_len=4096))

    async def whole() -> bool:
        return len(DNSRecord.parse(await server.respond(bytes(asked.pack()))).rr) == 50

    await eventually(whole)
    assert (await ask(server, "db.shop.svc.cluster.local")).header.tc


async def test_the_letters_of_the_question_come_back_as_they_were(server: DnsServer) -> None:
    reply = await server.respond(bytes(DNSRecord.question("wEb.ShOp.svc.cluster.LOCAL").pack()))
    assert b"wEb" in reply
    assert b"LOCAL" in reply


async def test_the_addresses_come_in_changing_orders(server: DnsServer) -> None:
    orders = {
        tuple(str(rr.rdata) for rr in (await ask(server, "db.shop.svc.cluster.local")).rr) for _ in range(60)
    }
    assert orders == {("10.42.0.3", "10.42.0.5"), ("10.42.0.5", "10.42.0.3")}


async def test_an_answer_that_was_kept_is_forgotten_with_the_next_change(server: DnsServer) -> None:
    client: FakeClient = server.fake  # type: ignore[attr-defined]
    for ip in ("10.43.0.8", "10.43.0.9"):
        assert values(await ask(server, WEB)) != [ip]
        await client.patch(SERVICES, "web", {"spec": {"clusterIP": ip}}, "shop")

        async def changed(ip: str = ip) -> bool:
            return values(await ask(server, WEB)) == [ip]

        await eventually(changed)


@given(st.binary(max_size=80), st.integers(0, 60), st.binary(max_size=6))
@examples(400)
def test_no_message_is_too_strange(noise: bytes, at: int, patch: bytes) -> None:
    """Noise, and good questions with some bytes changed: an answer that can be read, or none; never an exception."""
    dns = DnsServer(FakeClient(), RealClock(), DnsConfig("127.0.0.1", 0))
    dns.zone.replace(("shop", "web"), {WEB: [Address("10.43.0.7"), Srv(80, WEB)]})
    asked = DNSRecord.question(WEB, "SRV")
    asked.add_ar(EDNS0())
    asked.header.id = 7
    good = bytes(asked.pack())
    for message in (noise, good[:at] + patch + good[at + len(patch) :], good[:12] + noise, good[:at]):
        answer = dns.at_once(message)
        if answer:
            assert answer[:2] == message[:2]
            assert answer[2] & 0x80
            if message.isascii():  # dnslib reads no others
                assert DNSRecord.parse(answer).header.id == int.from_bytes(message[:2], "big")
    assert dns.cache.bytes < 100_000


async def test_thousands_of_malformed_datagrams_leave_nothing_behind(server: DnsServer) -> None:
    noise, good = random.Random(5), bytes(DNSRecord.question(WEB).pack())
    loop = asyncio.get_running_loop()
    tasks = len(asyncio.all_tasks())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.port))
        client.setblocking(False)
        for number in range(4000):
            cut = noise.randrange(len(good))
            message = (
                noise.randbytes(noise.randrange(1, 600)) if number % 2 else good[:cut] + noise.randbytes(5)
            )
            client.send(message)
            if number % 50 == 0:
                await asyncio.sleep(0)
    wire = await loop.run_in_executor(
        None, lambda: DNSRecord.parse(good).send("127.0.0.1", server.port, timeout=5)
    )
    assert values(DNSRecord.parse(wire)) == ["10.43.0.7"]
    assert len(server.cache) < 100
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_strangers_fill_the_cache_to_its_bound_and_no_further(server: DnsServer) -> None:
    server.cache = AnswerCache(random.Random(1), most_bytes=50_000)
    for number in range(500):
        await ask(server, f"n{number}.shop.svc.cluster.local")
        assert server.cache.bytes <= 50_000
    assert len(server.cache) > 20


async def test_ipv6_has_its_own_records(server: DnsServer) -> None:
    client: FakeClient = server.fake  # type: ignore[attr-defined]
    both = {"clusterIPs": ["10.43.0.20", "fd00:43::20"], "clusterIP": "10.43.0.20"}
    await client.create(SERVICES, service("both", **both), "shop")

    async def known() -> bool:
        return values(await ask(server, "both.shop.svc.cluster.local", "AAAA")) == ["fd00:43::20"]

    await eventually(known)
    assert values(await ask(server, "both.shop.svc.cluster.local", "A")) == ["10.43.0.20"]
    name = ipaddress.ip_address("fd00:43::20").reverse_pointer
    assert values(await ask(server, name, "PTR")) == ["both.shop.svc.cluster.local."]


async def test_aliases_are_followed_and_a_circle_ends(server: DnsServer) -> None:
    client: FakeClient = server.fake  # type: ignore[attr-defined]
    for name, target in (("one", "two"), ("two", "away"), ("left", "right"), ("right", "left")):
        outside = f"{target}.shop.svc.cluster.local"
        await client.create(SERVICES, service(name, type="ExternalName", externalName=outside), "shop")

    async def known() -> bool:
        return (await ask(server, "right.shop.svc.cluster.local")).header.rcode == RCODE.SERVFAIL

    await eventually(known)
    reply = await ask(server, "one.shop.svc.cluster.local")
    assert [QTYPE.get(rr.rtype) for rr in reply.rr] == ["CNAME", "CNAME", "CNAME", "A"]
    assert str(reply.rr[-1].rname).rstrip(".") == WEB
    (only,) = (await ask(server, "one.shop.svc.cluster.local", "CNAME")).rr
    assert str(only.rdata) == "two.shop.svc.cluster.local."
    dangling = await ask(server, "one.shop.svc.cluster.local", "SRV")
    assert (dangling.header.rcode, len(dangling.rr), len(dangling.auth)) == (RCODE.NOERROR, 3, 1)


def test_zone_forgets_what_a_service_no_longer_has() -> None:
    zone, rng = Zone("cluster.local"), random.Random(1)
    for _ in range(200):
        key = ("n", f"s{rng.randrange(5)}")
        zone.replace(key, {} if rng.random() < 0.4 else {f"{key[1]}.n.svc.cluster.local": []})
    for number in range(5):
        zone.replace(("n", f"s{number}"), {})
    assert zone.lookup("n.svc.cluster.local") is None
    assert zone.lookup("svc.cluster.local") is None
