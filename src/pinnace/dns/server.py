"""The name server: UDP and TCP on one address, fed by informers, forwarding what is not the cluster's.

Leaves out: zone transfer, DNSSEC, dynamic updates.
"""

import asyncio
import logging
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, SERVICES
from pinnace.apimachinery.gvk import GVR
from pinnace.client.applied_trace import AppliedTrace
from pinnace.client.informer import Informers
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.dns import answers, records, wire
from pinnace.dns.answer_cache import AnswerCache
from pinnace.dns.datagrams import Datagrams
from pinnace.dns.forwarder import Forwarder, nameservers
from pinnace.dns.wire import Malformed, Question

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
CACHE_SECONDS = 30.0
ALIAS_SECONDS = 5.0  # of an answer that begins in the cluster and ends outside
PORT_ATTEMPTS = 20
TCP_SECONDS = 10.0
MOST_CONNECTIONS, MOST_OF_ONE = 200, 50  # of TCP: in all, and from one address

Listener = tuple[Datagrams, asyncio.Server]


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
    def __init__(self, client: Client, clock: Clock, config: DnsConfig, tracer: Tracer | None = None) -> None:
        self._trace: AppliedTrace[tuple[str, str]] | None = None
        if tracer is not None:
            self._trace = AppliedTrace(tracer, "name server", "records")
        self._clock, self._config = clock, config
        self._informers = Informers(client, clock)
        self._services = self._informers.of(SERVICES)
        self._slices = self._informers.of(ENDPOINT_SLICES)
        self._slices.lister.add_index("service", lambda piece: [_service_of(piece)])
        self.zone = records.Zone(config.domain)
        self._random = random.Random()
        self.cache = AnswerCache(self._random)
        self._forwarder = Forwarder(clock, config.upstreams or nameservers(config.resolv_conf))
        self._connections: Counter[str] = Counter()  # by the client's address
        self.port = config.port
        self._listening = asyncio.Event()
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for key in {_service_of(piece) for piece in (old, new) if piece is not None}:
            self._refresh(key, ENDPOINT_SLICES, new or old)

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        if changed is not None:
            self._refresh(meta.key(changed), SERVICES, changed)

    def _refresh(self, key: tuple[str, str], gvr: GVR, cause: Object | None) -> None:
        service = self._services.lister.get(key[1], key[0])
        names: records.Names = {}
        if service is not None:
            slices = self._slices.lister.by_index("service", key)
            names = records.of_service(service, slices, self.zone.domain)
        before, begun = self.zone.serial, self._clock.monotonic()
        self.zone.replace(key, names)
        if self._trace is not None and self.zone.serial != before and self._listening.is_set():
            self._trace.saw(key, gvr, cause)
            self._trace.applied((key,), begun, lambda _: {"service": "/".join(key), "names": len(names)})

    async def listening(self) -> None:
        """Return when questions are answered; `port` is then the real one."""
        await self._listening.wait()

    async def run(self) -> None:
        listeners = await self._bind()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informers.run())
                await self._informers.wait_synced()
                self._listening.set()
        finally:
            _close(listeners)

    async def _bind(self) -> list[Listener]:
        """On every address, with one port; any that is free when the configuration leaves the choice. Raises OSError."""
        attempts = 1 if self._config.port else PORT_ATTEMPTS
        addresses = (self._config.address, *self._config.more_addresses)
        for attempt in range(1, attempts + 1):
            listeners: list[Listener] = []
            port = self._config.port
            try:
                for address in addresses:
                    listeners.append(await self._listen(address, port))
                    port = listeners[0][1].sockets[0].getsockname()[1]
            except OSError:
                _close(listeners)
                if attempt == attempts:
                    raise
                continue
            self.port = port
            return listeners
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _listen(self, address: str, port: int) -> Listener:
        """UDP and TCP on one port, any for 0; raises OSError when it is taken."""
        server = await asyncio.start_server(self._serve_tcp, address, port)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        own = server.sockets[0].getsockname()[1]
        try:
            return Datagrams(family, (address, own), self.at_once, self.later), server
        except OSError:
            server.close()
            raise

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = (writer.get_extra_info("peername") or ("",))[0]
        self._connections[client] += 1
        is_welcome = (
            self._connections.total() <= MOST_CONNECTIONS and self._connections[client] <= MOST_OF_ONE
        )
        try:
            while is_welcome:
                head = await self._clock.wait_for(reader.readexactly(2), TCP_SECONDS)
                (length,) = struct.unpack("!H", head)
                message = await self._clock.wait_for(reader.readexactly(length), TCP_SECONDS)
                reply = await self.respond(message, limit=0xFFFF)
                if reply:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await self._clock.wait_for(writer.drain(), TCP_SECONDS)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            pass
        finally:
            self._connections[client] -= 1
            if not self._connections[client]:
                del self._connections[client]
            writer.close()

    async def respond(self, message: bytes, limit: int = 0) -> bytes:
        """The answer to one message; b"" for what gets none. `limit` 0: what the asker takes over UDP."""
        answer = self.at_once(message, limit)
        return await self.later(message, limit) if answer is None else answer

    def at_once(self, message: bytes, limit: int = 0) -> bytes | None:
        """The answer where nobody else must be asked, else None."""
        now = self._clock.monotonic()
        if not limit and (known := self.cache.get(message, self.zone.serial, now)) is not None:
            return known
        try:
            asked = wire.question(message)
        except Malformed:
            code = wire.FORMERR
            if len(message) >= wire.HEADER_BYTES and int.from_bytes(message[2:4], "big") & wire.OPCODE:
                code = wire.NOTIMP
            return wire.refusal(message, code)
        if asked.flags & wire.RESPONSE:
            return b""
        if refused := _refusal(asked):
            return wire.reply(asked, refused, limit=limit or asked.limit)
        try:
            found = answers.answer(asked, self.zone)
        except Malformed:  # an ExternalName that the API takes and that no message can carry
            return wire.reply(asked, wire.SERVFAIL, limit=limit or asked.limit)
        if found is None or found.ask_for:
            return None
        if limit:
            return answers.packed(asked, found, limit)
        orders = answers.orders(asked, found, asked.limit, self._random)
        self.cache.put_ours(message, orders, self.zone.serial)
        return orders[0]

    async def later(self, message: bytes, limit: int = 0) -> bytes:
        """The answer to a good question that somebody else must be asked for."""
        asked = wire.question(message)
        most = limit or asked.limit
        found = answers.answer(asked, self.zone)
        if found is not None:
            answer, longest = await self._through_alias(asked, found), ALIAS_SECONDS
        else:
            result = await self._forwarder.ask(asked)
            answer, longest = result[0] if result else wire.reply(asked, wire.SERVFAIL), CACHE_SECONDS
        if len(answer) > most:
            return wire.truncated(asked)
        if not limit:
            self._remember(message, asked, answer, longest)
        return answer

    def _remember(self, message: bytes, asked: Question, answer: bytes, longest: float) -> None:
        known = wire.foreign(answer, asked)
        if known.code in (wire.NOERROR, wire.NXDOMAIN) and known.lifetime:
            seconds = min(longest, known.lifetime)
            self.cache.put_foreign(message, answer, self._clock.monotonic(), seconds, known.ttl_offsets)

    async def _through_alias(self, asked: Question, found: answers.Answer) -> bytes:
        """The chain of names, and what its end stands for as far as somebody knows."""
        ending = struct.pack("!HH", asked.kind, wire.IN)
        inner = Question(
            asked.id, asked.flags, found.ask_for, asked.kind, wire.IN, wire.name_bytes(found.ask_for) + ending
        )
        result = await self._forwarder.ask(inner)
        if result is None:
            found.code = wire.SERVFAIL
        else:
            found.code = result[1].code
            try:
                found.answers += wire.records(*result)
            except Malformed:
                found.code = wire.SERVFAIL
        return answers.packed(asked, found, 0xFFFF)


def _refusal(asked: Question) -> int:
    """The code for questions of a kind that nobody gets an answer to; 0 for the others."""
    if asked.flags & wire.OPCODE:
        return wire.NOTIMP
    if asked.version:
        return wire.BADVERS
    if asked.of_class not in (wire.IN, wire.ANY_CLASS) or asked.kind in (wire.AXFR, wire.IXFR, wire.OPT):
        return wire.REFUSED
    return 0


def _service_of(piece: Object) -> tuple[str, str]:
    return meta.namespace(piece), meta.labels(piece).get(SERVICE_LABEL, "")


def _close(listeners: list[Listener]) -> None:
    for datagrams, server in listeners:
        datagrams.close()
        server.close()
