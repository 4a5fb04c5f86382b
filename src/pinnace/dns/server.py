"""The name server: UDP and TCP on one address, fed by informers, forwarding what is not the cluster's.

Leaves out: zone transfer, DNSSEC, dynamic updates.
"""

import asyncio
import logging
import random
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, SERVICES
from pinnace.client.informer import Informers
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.dns import answers, records

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
UPSTREAM_SECONDS = 2.0
CACHE_ENTRIES = 10_000
CACHE_SECONDS = 30.0
PORT_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """`port` 0 takes any free one (see `DnsServer.port`). `upstreams` are `host` or `host:port`; empty: from `resolv_conf`."""

    address: str
    port: int = 53
    domain: str = "cluster.local"
    upstreams: tuple[str, ...] = ()
    resolv_conf: Path = Path("/etc/resolv.conf")
    more_addresses: tuple[str, ...] = ()  # with the same port: of the other family


class DnsServer:
    def __init__(self, client: Client, clock: Clock, config: DnsConfig) -> None:
        self._clock, self._config = clock, config
        self._informers = Informers(client, clock)
        self._services = self._informers.of(SERVICES)
        self._slices = self._informers.of(ENDPOINT_SLICES)
        self._slices.lister.add_index("service", lambda piece: [_service_of(piece)])
        self.zone = records.Zone(config.domain)
        self._random = random.Random()
        self._forwarder = Forwarder(clock, config.upstreams or nameservers(config.resolv_conf))
        self.port = config.port
        self._listening = asyncio.Event()
        self._services.add_handler(lambda old, new: self._refresh(meta.key(new or old or {})))
        self._slices.add_handler(self._on_slice)

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for key in {_service_of(piece) for piece in (old, new) if piece is not None}:
            self._refresh(key)

    def _refresh(self, key: tuple[str, str]) -> None:
        service = self._services.lister.get(key[1], key[0])
        if service is None:
            self.zone.replace(key, {})
            return
        self.zone.replace(
            key, records.of_service(service, self._slices.lister.by_index("service", key), self.zone.domain)
        )

    async def listening(self) -> None:
        """Return when questions are answered; `port` is then the real one."""
        await self._listening.wait()

    async def run(self) -> None:
        transport, server = await self._bind()
        others = [await self._listen(address, self.port) for address in self._config.more_addresses]
        try:
            async with server, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informers.run())
                await self._informers.wait_synced()
                self._listening.set()
        finally:
            for datagrams, streams in ((transport, server), *others):
                datagrams.close()
                streams.close()

    async def _bind(self) -> tuple[asyncio.BaseTransport, asyncio.Server]:
        """UDP and TCP on one port; any port that is free in both when the configuration leaves the choice."""
        loop = asyncio.get_running_loop()
        attempts = 1 if self._config.port else PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            server = await asyncio.start_server(self._serve_tcp, self._config.address, self._config.port)
            self.port = server.sockets[0].getsockname()[1]
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(self._config.address, self.port)
                )
            except OSError:
                server.close()
                if attempt == attempts:
                    raise
                continue
            return transport, server
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _listen(self, address: str, port: int) -> tuple[asyncio.BaseTransport, asyncio.Server]:
        """UDP and TCP on this very port; raises OSError when it is taken."""
        server = await asyncio.start_server(self._serve_tcp, address, port)
        try:
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(address, port)
            )
        except BaseException:
            server.close()
            raise
        return transport, server

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await self._clock.wait_for(reader.readexactly(2), 10.0))
                reply = await self.respond(
                    await self._clock.wait_for(reader.readexactly(length), 10.0), limit=65535
                )
                if reply:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            pass
        finally:
            writer.close()

    async def respond(self, wire: bytes, limit: int | None = None) -> bytes:
        """The answer to one message; b"" for what is not a question."""
        try:
            request = DNSRecord.parse(wire)
        except (DNSError, ValueError):
            return b""
        if request.header.qr or not request.questions:
            return b""
        size = limit or answers.udp_size(request)
        reply = answers.answer(request, self.zone, self._random)
        if reply is None:
            return await self._forwarder.ask(request, wire, limit=size)
        if target := answers.cname_target(reply, QTYPE.get(request.q.qtype)):
            await self._follow(reply, target, request)
        return answers.packed(reply, size)

    async def _follow(self, reply: DNSRecord, target: str, request: DNSRecord) -> None:
        """Add what an ExternalName stands for, as far as it can be resolved."""
        inner = DNSRecord.question(target, QTYPE.get(request.q.qtype))
        local = answers.answer(inner, self.zone, self._random)
        if local is None:
            local = DNSRecord.parse(await self._forwarder.ask(inner, bytes(inner.pack()), limit=65535))
        for record in local.rr:
            reply.add_answer(record)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # asyncio promises a datagram transport here

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._tasks) > 1000:
            return  # overload: the asker tries again
        task = asyncio.get_running_loop().create_task(self._reply(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            reply = await self._server.respond(data)
        except Exception:
            log.exception("a question from %s could not be answered", addr)
            return
        if reply and self._transport is not None:
            self._transport.sendto(reply, addr)


class Forwarder:
    """Asks the machine's own name servers, remembers answers for up to 30 s, and says SERVFAIL when none answers."""

    def __init__(self, clock: Clock, upstreams: tuple[str, ...]) -> None:
        self._clock = clock
        self._upstreams = [_host_port(text) for text in upstreams]
        self._cache: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    async def ask(self, request: DNSRecord, wire: bytes, *, limit: int) -> bytes:
        key = bytes(wire[2:])
        cached = self._cache.get(key)
        if cached and cached[0] > self._clock.monotonic():
            return wire[:2] + cached[1]
        for host, port in self._upstreams:
            try:
                reply = await self._clock.wait_for(_exchange(wire, host, port), UPSTREAM_SECONDS)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                continue
            self._remember(key, reply)
            return reply if len(reply) <= limit else answers.packed(DNSRecord.parse(reply), limit)
        failure = request.reply(ra=1)
        failure.header.rcode = RCODE.SERVFAIL
        return bytes(failure.pack())

    def _remember(self, key: bytes, reply: bytes) -> None:
        parsed = DNSRecord.parse(reply)
        lifetimes = [record.ttl for record in [*parsed.rr, *parsed.auth]]
        if parsed.header.rcode in (RCODE.NOERROR, RCODE.NXDOMAIN) and lifetimes:
            self._cache[key] = (self._clock.monotonic() + min(CACHE_SECONDS, *lifetimes), reply[2:])
            while len(self._cache) > CACHE_ENTRIES:
                self._cache.popitem(last=False)


async def _exchange(wire: bytes, host: str, port: int) -> bytes:
    """One question over UDP, and over TCP when the answer was truncated."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _OneAnswer(answered, wire[:2]), remote_addr=(host, port)
    )
    try:
        transport.sendto(wire)
        reply = await answered
    finally:
        transport.close()
    if not reply[2] & 0x02:
        return reply
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    finally:
        writer.close()


class _OneAnswer(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future[bytes], identity: bytes) -> None:
        self._answered, self._identity = answered, identity

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[:2] == self._identity and not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


def _service_of(piece: Object) -> tuple[str, str]:
    return meta.namespace(piece), meta.labels(piece).get(SERVICE_LABEL, "")


def nameservers(resolv_conf: Path) -> tuple[str, ...]:
    """The `nameserver` lines of a resolv.conf; none when the file cannot be read."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return ()
    return tuple(
        words[1] for words in (line.split() for line in lines) if len(words) > 1 and words[0] == "nameserver"
    )


def _host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon and "." in host else (text, 53)
