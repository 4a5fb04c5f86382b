"""The ingress controller: watches Ingresses and what they refer to, keeps HAProxy current, reports addresses and problems."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES
from pinnace.apimachinery.errors import StatusError
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers
from pinnace.client.interface import MERGE_PATCH, Client, Object
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.ingress import basic_auth, certificates, haproxy_config, routes, slots
from pinnace.ingress.acceptance import Acceptance, Key
from pinnace.ingress.haproxy import Haproxy, HaproxyError, Refused
from pinnace.ingress.haproxy_config import Configuration, Listen
from pinnace.ingress.model import Routing, SecretProblem, Sources
from pinnace.ingress.tracing import RoutesTrace

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.1  # a reload costs a process: changes that come together share one
RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class IngressConfig:
    """`node_ip` is what Ingress status reports."""

    listen: Listen
    node_ip: str


class IngressController:
    def __init__(
        self, client: Client, clock: Clock, config: IngressConfig, tracer: Tracer | None = None
    ) -> None:
        self._trace = RoutesTrace(tracer) if tracer is not None else None
        self._client, self._clock, self._config = client, clock, config
        self._haproxy = Haproxy(clock, config.listen)
        self._events = EventRecorder(client, clock, "pinnace-ingress")
        self._informers = Informers(client, clock)
        self._ingresses = self._informers.of(INGRESSES)
        self._classes = self._informers.of(INGRESS_CLASSES)
        self._services = self._informers.of(SERVICES)
        self._secrets = self._informers.of(SECRETS)
        self._slices = self._informers.of(ENDPOINT_SLICES)
        self._slices.lister.add_index(
            "service", lambda s: [(meta.namespace(s), meta.labels(s).get(routes.SERVICE_LABEL, ""))]
        )
        self._servers: dict[str, tuple[str, ...]] = {}
        self._wake = asyncio.Event()
        self._changed = False  # HAProxy got something new
        self._judged: dict[tuple[str, str], tuple[str, bytes, str]] = {}  # version, PEM, problem
        self._acceptance = Acceptance()
        self._secrets.add_handler(self._forget)
        self._told: set[tuple[tuple[str, str], str]] = set()
        for informer in (self._ingresses, self._classes, self._services, self._secrets, self._slices):
            informer.add_handler(lambda old, new: self._wake.set())
            if self._trace is not None:
                informer.add_handler(partial(self._trace.follow, informer.gvr))

    def _forget(self, old: Object | None, new: Object | None) -> None:
        self._acceptance.forget(meta.namespace(new or old or {}))
        if new is None and old is not None:
            self._judged.pop(meta.key(old), None)

    @property
    def haproxy_pid(self) -> int:
        return self._haproxy.pid

    @property
    def haproxy_reloads(self) -> int:
        """How often HAProxy was started or reloaded by this object."""
        return self._haproxy.reloads

    async def run(self) -> None:
        """Keep HAProxy current until cancelled; it goes on running, so that a restart of this server drops nothing."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            tasks.create_task(self._events.run())
            await self._informers.wait_synced()
            while True:
                await self._sync()
                await self._wake.wait()
                await self._clock.sleep(GATHER_SECONDS)

    async def stop(self) -> None:
        await self._haproxy.stop()

    async def _sync(self) -> None:
        self._wake.clear()
        begun, reloads = self._clock.monotonic(), self._haproxy.reloads
        waiting = self._trace.waiting if self._trace is not None else []
        self._changed = False
        try:
            routing = await self._apply()
        except (HaproxyError, OSError, TimeoutError) as error:
            log.error("ingress: %s", error)
            await self._clock.sleep(RETRY_SECONDS)
            self._wake.set()
            return
        if self._trace is not None:
            is_reloaded = self._haproxy.reloads > reloads
            self._trace.took(waiting, begun, routing.served, changed=self._changed, reloaded=is_reloaded)
        for key in routing.served:
            await self._report(key)
        for key, problem in routing.problems:
            if (key, problem) not in self._told and (ingress := self._ingresses.lister.get(key[1], key[0])):
                self._events.event(ingress, "Warning", "Sync", problem)
        self._told = set(routing.problems)

    async def _apply(self) -> Routing:
        """Bring HAProxy to what the Ingresses ask for; one that it refuses does not stop the others."""
        try:
            routing = await self._bring()
        except Refused as refused:
            log.error("ingress: %s", refused)
            await self._acceptance.search(list(self._ingresses.lister), self._refusal)
            routing = await self._bring()
        self._acceptance.took(self._ingresses.lister)
        return routing

    async def _bring(self) -> Routing:
        routing = self._routing(self._acceptance.left_out(self._ingresses.lister))
        config = self._configuration(routing)
        self._changed |= await self._haproxy.apply(config)
        self._servers = dict(config.servers)
        return routing

    async def _refusal(self, keys: frozenset[Key]) -> str:
        """What HAProxy has against these Ingresses, if there were no others."""
        others = {key: "" for one in self._ingresses.lister if (key := meta.key(one)) not in keys}
        return await self._haproxy.refusal(self._configuration(self._routing(others)))

    def _routing(self, left_out: Mapping[Key, str]) -> Routing:
        sources = Sources(
            service=self._service,
            slices=lambda namespace, name: self._slices.lister.by_index("service", (namespace, name)),
            tls_secret=self._tls_secret,
            users=self._users,
        )
        return routes.build(self._ingresses.lister, self._classes.lister, sources, left_out=left_out)

    def _configuration(self, routing: Routing) -> Configuration:
        wanted = {backend.name: backend.addresses for backend in routing.backends}
        servers = slots.assign(self._servers, wanted)
        return haproxy_config.render(routing, self._config.listen, servers)

    async def _report(self, key: tuple[str, str]) -> None:
        ingress = self._ingresses.lister.get(key[1], key[0])
        wanted = {"loadBalancer": {"ingress": [{"ip": self._config.node_ip}]}}
        if ingress is None or ingress.get("status") == wanted:
            return
        try:
            await self._client.patch(
                INGRESSES, key[1], {"status": wanted}, key[0], content_type=MERGE_PATCH, subresource="status"
            )
            self._events.event(ingress, "Normal", "Sync", "Scheduled for sync")
        except StatusError as error:
            log.warning("status of ingress %s/%s: %s", *key, error)

    def _service(self, namespace: str, name: str) -> Object | None:
        self._note_asked(namespace, name)
        return self._services.lister.get(name, namespace)

    def _note_asked(self, namespace: str, name: str) -> None:
        if self._trace is not None:
            self._trace.asked.add((namespace, name))

    def _tls_secret(self, namespace: str, name: str) -> bytes:
        """Chain and key as HAProxy wants them; raises TlsProblem. A secret is judged once for each of its versions."""
        self._note_asked(namespace, name)
        secret = self._secrets.lister.get(name, namespace)
        if secret is None:
            raise SecretProblem("not found")
        version, key = secret["metadata"].get("resourceVersion", ""), (namespace, name)
        if (known := self._judged.get(key)) is None or known[0] != version:
            self._judged[key] = known = (version, *_judge(secret))
        _, pem, problem = known
        if problem:
            raise SecretProblem(problem)
        return pem

    def _users(self, namespace: str, name: str) -> tuple[tuple[str, str], ...]:
        secret = self._secrets.lister.get(name, namespace)
        if secret is None:
            raise SecretProblem("not found")
        return basic_auth.users(secret)


def _judge(secret: Object) -> tuple[bytes, str]:
    """The PEM text, or what is wrong with it."""
    data = secret.get("data") or {}
    try:
        chain, key = (
            base64.b64decode(data[field], validate=True).strip() for field in ("tls.crt", "tls.key")
        )
    except (KeyError, binascii.Error):
        return b"", "has no tls.crt and tls.key"
    if why := certificates.problem(chain, key):
        return b"", f"cannot be used: {why}"
    return chain + b"\n" + key + b"\n", ""
