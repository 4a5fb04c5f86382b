"""What is not the cluster's: asked of servers that answer, answer wrongly, late, or not at all."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from dnslib import QTYPE, RCODE, RR, SOA, A, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from pinnace.component.clock import RealClock
from pinnace.dns import forwarder, wire
from pinnace.dns.answer_cache import AnswerCache
from pinnace.dns.server import DnsConfig, DnsServer
from pinnace.testing.fake_client import FakeClient
from properties import examples

Answering = Callable[[DNSRecord], list[bytes]]


class Upstream(asyncio.DatagramProtocol):
    """A name server on UDP and TCP that does what the test says."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[tuple[str, DNSRecord, int]] = []  # (how, question, port of the asker)

    async def start(self) -> "Upstream":
        loop = asyncio.get_running_loop()
        self.server = await asyncio.start_server(self._tcp, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        port = self.server.sockets[0].getsockname()[1]
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        return self

    def stop(self) -> None:
        self.transport.close()
        self.server.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = DNSRecord.parse(data)
        self.asked.append(("udp", question, addr[1]))
        for answer in self.answering(question):
            self.transport.sendto(answer, addr)

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        question = DNSRecord.parse(await reader.readexactly(length))
        self.asked.append(("tcp", question, 0))
        reply = bytes(good(question, count=80).pack())
        writer.write(struct.pack("!H", len(reply)) + reply)
        await writer.drain()
        writer.close()


def good(question: DNSRecord, ttl: int = 60, count: int = 1) -> DNSRecord:
    reply = question.reply()
    for number in range(count):
        reply.add_answer(RR(question.q.qname, QTYPE.A, ttl=ttl, rdata=A(f"192.0.2.{number + 1}")))
    return reply


def one(question: DNSRecord) -> list[bytes]:
    return [bytes(good(question).pack())]


def failing(question: DNSRecord) -> list[bytes]:
    reply = question.reply()
    reply.header.rcode = RCODE.SERVFAIL
    return [bytes(reply.pack())]


def missing(question: DNSRecord) -> list[bytes]:
    reply = question.reply()
    reply.header.rcode = RCODE.NXDOMAIN
    reply.add_auth(RR("test", QTYPE.SOA, ttl=100, rdata=SOA("ns.test", "a.test", (1, 1, 1, 1, 7))))
    return [bytes(reply.pack())]


class Settable(RealClock):
    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made = await Upstream(one).start()
    yield made
    made.stop()


def asking(*upstreams: str) -> tuple[DnsServer, Settable]:
    clock = Settable()
    return DnsServer(FakeClient(), clock, DnsConfig("127.0.0.1", 0, upstreams=upstreams)), clock


async def ask(dns: DnsServer, name: str = "a.test", kind: str = "A", limit: int = 0) -> DNSRecord:
    return DNSRecord.parse(await dns.respond(bytes(DNSRecord.question(name, kind).pack()), limit))


async def test_an_answer_is_kept_as_long_as_it_lives_and_its_lifetime_counts_down(upstream: Upstream) -> None:
    upstream.answering = lambda question: [bytes(good(question, ttl=12).pack())]
    dns, clock = asking(upstream.address)
    first = await ask(dns)
    assert (str(first.rr[0].rdata), first.rr[0].ttl, first.header.aa, first.header.ra) == (
        "192.0.2.1",
        12,
        0,
        1,
    )
    clock.ahead = 5.2
    assert (await ask(dns)).rr[0].ttl == 7
    assert len(upstream.asked) == 1
    clock.ahead = 12.1
    assert (await ask(dns)).rr[0].ttl == 12
    assert len(upstream.asked) == 2


async def test_what_lives_for_no_time_is_not_kept(upstream: Upstream) -> None:
    upstream.answering = lambda question: [bytes(good(question, ttl=0).pack())]
    dns, _ = asking(upstream.address)
    await ask(dns)
    await ask(dns)
    assert len(upstream.asked) == 2


async def test_that_a_name_does_not_exist_is_kept_as_long_as_its_soa_says(upstream: Upstream) -> None:
    upstream.answering = missing
    dns, clock = asking(upstream.address)
    for ahead, times in ((0.0, 1), (6.5, 1), (7.5, 2)):
        clock.ahead = ahead
        assert (await ask(dns)).header.rcode == RCODE.NXDOMAIN
        assert len(upstream.asked) == times


async def test_ids_and_ports_cannot_be_guessed(upstream: Upstream) -> None:
    dns, _ = asking(upstream.address)
    for number in range(20):
        message = DNSRecord.question(f"n{number}.test")
        message.header.id = 7
        assert DNSRecord.parse(await dns.respond(bytes(message.pack()))).header.id == 7
    assert len({question.header.id for _, question, _ in upstream.asked}) > 15
    assert len({port for _, _, port in upstream.asked}) > 10


async def test_forged_answers_that_come_first_are_ignored(upstream: Upstream) -> None:
    def forged(question: DNSRecord) -> list[bytes]:
        wrong_id, wrong_name, right = good(question), good(DNSRecord.question("b.test")), good(question)
        wrong_id.header.id ^= 1
        wrong_name.header.id = question.header.id
        for fake in (wrong_id, wrong_name):
            fake.rr[0].rdata = A("203.0.113.66")
        return [
            b"",
            b"x",
            bytes(wrong_id.pack()),
            bytes(wrong_name.pack()),
            bytes(question.pack()),
            bytes(right.pack()),
        ]

    upstream.answering = forged
    dns, _ = asking(upstream.address)
    assert str((await ask(dns)).rr[0].rdata) == "192.0.2.1"


async def test_a_truncated_answer_is_fetched_over_tcp(upstream: Upstream) -> None:
    def cut(question: DNSRecord) -> list[bytes]:
        reply = question.reply()
        reply.header.tc = 1
        return [bytes(reply.pack())]

    upstream.answering = cut
    dns, _ = asking(upstream.address)
    assert len((await ask(dns, limit=0xFFFF)).rr) == 80
    assert [how for how, _, _ in upstream.asked] == ["udp", "tcp"]
    again = await ask(dns)
    assert (again.header.tc, again.rr) == (1, []), "too large for UDP without EDNS"


async def test_the_next_server_is_asked_when_one_is_silent_or_fails(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "UPSTREAM_SECONDS", 0.05)
    silent, broken = await Upstream(lambda _: []).start(), await Upstream(failing).start()
    try:
        dns, _ = asking(silent.address, broken.address, upstream.address)
        assert str((await ask(dns)).rr[0].rdata) == "192.0.2.1"
        assert (len(silent.asked), len(broken.asked)) == (1, 1)
        await ask(dns, "b.test")
        assert len(silent.asked) == 1, "who did not answer is asked last"
        upstream.answering = failing
        assert (await ask(dns, "c.test")).header.rcode == RCODE.SERVFAIL
    finally:
        silent.stop()
        broken.stop()


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "UPSTREAM_SECONDS", 0.02)
    for upstreams in ((), ("127.0.0.1:1",)):
        dns, _ = asking(*upstreams)
        dns._forwarder._upstreams = [forwarder.host_port(text) for text in upstreams]
        assert (await ask(dns)).header.rcode == RCODE.SERVFAIL
        assert len(dns.cache) == 0


async def test_one_question_asked_by_many_goes_out_once(upstream: Upstream) -> None:
    dns, _ = asking(upstream.address)
    replies = await asyncio.gather(*(ask(dns, name) for name in ["a.test", "A.test", "a.TEST"] * 10))
    assert {str(reply.rr[0].rdata) for reply in replies} == {"192.0.2.1"}
    assert {str(reply.q.qname) for reply in replies} == {"a.test.", "A.test.", "a.TEST."}
    assert len(upstream.asked) == 1


async def test_an_external_name_is_resolved_outside(upstream: Upstream) -> None:
    from pinnace.dns.records import Cname

    dns, _ = asking(upstream.address)
    dns.zone.replace(("shop", "away"), {"away.shop.svc.cluster.local": [Cname("a.test")]})
    reply = await ask(dns, "away.shop.svc.cluster.local")
    assert [(QTYPE.get(rr.rtype), str(rr.rname), str(rr.rdata)) for rr in reply.rr] == [
        ("CNAME", "away.shop.svc.cluster.local.", "a.test."),
        ("A", "a.test.", "192.0.2.1"),
    ]
    assert reply.header.aa == 1
    upstream.answering = missing
    dns, _ = asking(upstream.address)
    dns.zone.replace(("shop", "away"), {"away.shop.svc.cluster.local": [Cname("b.test")]})
    reply = await ask(dns, "away.shop.svc.cluster.local")
    assert (reply.header.rcode, len(reply.rr)) == (RCODE.NXDOMAIN, 1)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=8), st.binary(max_size=60))
@examples(400)
def test_foreign_answers_are_read_or_refused(at: int, patch: bytes, tail: bytes) -> None:
    asked = wire.question(bytes(DNSRecord.question("www.some.test").pack()))
    answer = bytes(good(DNSRecord.question("www.some.test"), count=5).pack())
    for message in (
        answer,
        answer[:at] + patch + answer[at + len(patch) :],
        answer[:at],
        answer + tail,
        tail,
    ):
        try:
            found = wire.foreign(message, asked)
            list(wire.records(message, found))
        except wire.Malformed:
            continue
        assert 0 <= found.lifetime < 1 << 31
        assert len(wire.aged(message, found.ttl_offsets, 3)) == len(message)


def test_pointers_in_a_circle_end() -> None:
    head = wire.HEADER.pack(1, 0x8000, 1, 1, 0, 0)
    for name in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\xc0\xff"):
        with pytest.raises(wire.Malformed):
            wire.read_name(head + name, 12)


def test_a_cache_ages_by_the_second() -> None:
    cache = AnswerCache(random.Random(1))
    question = bytes(DNSRecord.question("a.test").pack())
    answer = bytes(good(DNSRecord.parse(question), ttl=20).pack())
    offsets = wire.foreign(answer, wire.question(question)).ttl_offsets
    cache.put_foreign(question, answer, 100.0, 20.0, offsets)
    other = b"zz" + question[2:]
    kept = cache.get(other, 0, 103.9)
    assert kept is not None
    assert kept[:2] == b"zz"
    assert DNSRecord.parse(kept).rr[0].ttl == 17
    assert cache.get(question, 0, 120.0) is None
    assert (len(cache), cache.bytes) == (0, 0)


async def test_an_external_name_that_no_message_can_carry_fails_and_breaks_nothing() -> None:
    """The API takes labels of more than 63 characters, DNS does not."""
    metadata = {"name": "long", "namespace": "default"}
    spec = {"type": "ExternalName", "externalName": f"{'a' * 64}.test"}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    server = DnsServer(FakeClient([made]), RealClock(), DnsConfig("127.0.0.1", 0, upstreams=("127.0.0.1:1",)))
    running = asyncio.create_task(server.run())
    try:
        await server.listening()
        question = bytes(DNSRecord.question("long.default.svc.cluster.local").pack())
        for limit in (0, 0xFFFF):
            assert DNSRecord.parse(await server.respond(question, limit)).header.rcode == RCODE.SERVFAIL
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
