"""The service proxy: watches Services, EndpointSlices and this node's host ports, and keeps the table in the kernel equal to them.

Changes that arrive together are one transaction. A failed one is followed by building the whole table anew.
"""

import asyncio
import dataclasses
import logging
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from pinnace.client.informer import Informer, Informers
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.proxy import conntrack, model, rules
from pinnace.proxy.claims import Claims
from pinnace.proxy.health_checks import HealthCheck, HealthCheckServers
from pinnace.proxy.nftables import Nft, NftError

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
ZONE = "topology.kubernetes.io/zone"
GATHER_SECONDS = 0.01  # events that belong together (a Service and its slice) come in a burst
RETRY_SECONDS = 1.0
Key = tuple[str, str, str]  # ("service" or "pod", namespace, name)


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    node_name: str
    pod_cidr: str = "10.42.0.0/16"
    table: str = "pinnace"


class ServiceProxy:
    def __init__(self, client: Client, clock: Clock, config: ProxyConfig) -> None:
        self._clock, self._config = clock, config
        self._nft = Nft(clock, f"ip {config.table}")
        self._informers = Informers(client, clock)
        self._services = self._informers.of(SERVICES)
        self._slices = self._informers.of(ENDPOINT_SLICES)
        self._slices.lister.add_index("service", lambda piece: [_service_of(piece)])
        self._pods = Informer(client, clock, PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._node = Informer(client, clock, NODES, field_selector=f"metadata.name={config.node_name}")
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._applied: dict[Key, rules.Rules] = {}
        self._claims: Claims[Key] = Claims()
        self._ports: dict[Key, tuple[model.ServicePort, ...]] = {}
        self._has_base = False
        self._health = HealthCheckServers(clock)
        self.synced = asyncio.Event()  # set when the kernel first had all Services
        self._services.add_handler(lambda old, new: self._mark(("service", *meta.key(new or old or {}))))
        self._pods.add_handler(self._on_pod)
        self._slices.add_handler(self._on_slice)
        self._node.add_handler(self._on_node)

    @property
    def _zone(self) -> str:
        node = self._node.lister.get(self._config.node_name)
        return meta.labels(node).get(ZONE, "") if node is not None else ""

    def _on_node(self, old: Object | None, new: Object | None) -> None:
        """Hints speak of zones: when ours changes, every Service may go elsewhere."""
        before, after = (meta.labels(node).get(ZONE, "") if node else "" for node in (old, new))
        if before != after:
            for service in self._services.lister:
                self._mark(("service", *meta.key(service)))

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            if piece is not None:
                self._mark(("service", *_service_of(piece)))

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        before, after = (model.host_ports(pod) if pod is not None else () for pod in (old, new))
        if before != after:
            self._mark(("pod", *meta.key(new or old or {})))

    def _mark(self, key: Key) -> None:
        self._dirty.add(key)
        self._wake.set()

    async def run(self) -> None:
        """Keep the rules current until cancelled; the table stays, so that connections outlive a restart."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            tasks.create_task(self._pods.run())
            tasks.create_task(self._node.run())
            await self._informers.wait_synced()
            await self._pods.wait_synced()
            await self._node.wait_synced()
            try:
                while True:
                    await self.sync()
                    await self._wake.wait()
                    await self._clock.sleep(GATHER_SECONDS)
            finally:
                self._health.close()

    async def remove(self) -> None:
        """Take every rule out of the kernel."""
        await self._nft.delete()

    async def sync(self) -> None:
        """Bring the kernel up to date with everything that changed."""
        self._wake.clear()
        dirty, self._dirty = self._dirty, set()
        ports = {key: self._ports_of(key) for key in dirty if key[0] == "service"}
        new = {key: rules.of_ports(found, self._config.pod_cidr) for key, found in ports.items()}
        new |= {key: self._host_rules(key) for key in dirty if key[0] == "pod"}
        try:
            await self._bring(new)
        except (NftError, OSError, TimeoutError) as error:
            log.error("service rules could not be applied, the table is built anew: %s", error)
            self._has_base = False
            self._dirty |= dirty
            await self._clock.sleep(RETRY_SECONDS)
            self._wake.set()
            return
        flows = conntrack.stale_flows(
            [p for key in dirty for p in self._ports.get(key, ())], [p for f in ports.values() for p in f]
        )
        self._record(ports, new)
        self.synced.set()
        for key in ports:
            await self._health.replace(key[1:], self._health_check(key))
        await conntrack.forget(flows, self._clock)

    async def _bring(self, new: dict[Key, rules.Rules]) -> None:
        """Put these rules in the place of the old ones of the same keys; build the whole table if there is none."""
        wanted = {key: made.elements for key, made in new.items()}
        touched = self._claims.touched(wanted)
        before = self._claims.verdicts(touched)
        self._claims.replace(wanted)
        if self._has_base:
            old = rules.merged(self._applied.get(key, rules.NOTHING) for key in new)
            text = rules.transaction(
                self._nft.table,
                dataclasses.replace(old, elements=before),
                dataclasses.replace(rules.merged(new.values()), elements=self._claims.verdicts(touched)),
            )
        else:
            rest = (made for key, made in self._applied.items() if key not in new)
            whole = dataclasses.replace(
                rules.merged([*rest, *new.values()]), elements=self._claims.verdicts()
            )
            text = rules.base_table(self._nft.table, self._config.pod_cidr)
            text += rules.transaction(self._nft.table, rules.NOTHING, whole)
        if text:
            await self._nft.apply(text)
        self._has_base = True

    def _record(self, ports: dict[Key, tuple[model.ServicePort, ...]], new: dict[Key, rules.Rules]) -> None:
        self._ports.update(ports)
        self._applied.update(new)
        for key in [key for key, made in new.items() if made == rules.NOTHING]:
            del self._applied[key]
            self._ports.pop(key, None)

    def _host_rules(self, key: Key) -> rules.Rules:
        pod = self._pods.lister.get(key[2], key[1])
        return rules.of_host_ports(model.host_ports(pod)) if pod is not None else rules.NOTHING

    def _health_check(self, key: Key) -> HealthCheck | None:
        service = self._services.lister.get(key[2], key[1])
        if service is None:
            return None
        return model.health_check(
            service, self._slices.lister.by_index("service", key[1:]), self._config.node_name
        )

    def _ports_of(self, key: Key) -> tuple[model.ServicePort, ...]:
        service = self._services.lister.get(key[2], key[1])
        if service is None:
            return ()
        return model.service_ports(
            service,
            self._slices.lister.by_index("service", key[1:]),
            self._config.node_name,
            self._zone,
        )


def _service_of(piece: Object) -> tuple[str, str]:
    return meta.namespace(piece), meta.labels(piece).get(SERVICE_LABEL, "")
