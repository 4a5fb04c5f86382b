"""The service proxy: watches Services, EndpointSlices and this node's host ports, and keeps the tables in the kernel equal to them.

Changes that arrive together are one transaction. A failed one is followed by building the tables anew, and so is a change
that somebody else makes to them, of which the kernel tells.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from pinnace.client.informer import Informer, Informers
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.component.nft_events import TableEvents
from pinnace.component.nftables import Nft, NftError
from pinnace.component.tracing import Tracer
from pinnace.proxy import conntrack, model, rules
from pinnace.proxy.affinity import kept_clients
from pinnace.proxy.families import family_of
from pinnace.proxy.health_checks import HealthCheck, HealthCheckServers
from pinnace.proxy.table import Key, Ports, Table
from pinnace.proxy.tracing import RulesTrace

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
ZONE = "topology.kubernetes.io/zone"
GATHER_SECONDS = 0.01  # events that belong together (a Service and its slice) come in a burst
RETRY_SECONDS = 1.0
LONGEST_PAUSE = 64.0  # between two restorations, when somebody changes the tables again and again


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """`pod_cidrs` has one range for each family that the cluster has."""

    node_name: str
    pod_cidrs: tuple[str, ...] = ("10.42.0.0/16",)
    table: str = "pinnace"


class ServiceProxy:
    def __init__(
        self, client: Client, clock: Clock, config: ProxyConfig, tracer: Tracer | None = None
    ) -> None:
        self._trace = RulesTrace(tracer, config.node_name) if tracer is not None else None
        self._clock, self._config = clock, config
        self._nft = Nft(clock)
        self._tables = [Table(config.table, family_of(cidr), cidr) for cidr in config.pod_cidrs]
        names = [table.words for table in self._tables]
        self._kernel = TableEvents(names, self._on_foreign_change)
        self._informers = Informers(client, clock)
        self._services = self._informers.of(SERVICES)
        self._slices = self._informers.of(ENDPOINT_SLICES)
        self._slices.lister.add_index("service", lambda piece: [_service_of(piece)])
        self._pods = Informer(client, clock, PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._node = Informer(client, clock, NODES, field_selector=f"metadata.name={config.node_name}")
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._is_applying = self._changed_meanwhile = False  # the latter by somebody else
        self._restored_at, self._pause = -LONGEST_PAUSE, RETRY_SECONDS
        self._health = HealthCheckServers(
            clock, "0.0.0.0" if names[0][:3] == "ip " and len(names) == 1 else None
        )
        self.synced = asyncio.Event()  # set when the kernel first had all Services
        self._services.add_handler(self._on_service)
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

    def _on_service(self, old: Object | None, new: Object | None) -> None:
        key = ("service", *meta.key(new or old or {}))
        if self._trace is not None:
            self._trace.saw(key, SERVICES, new or old)
        self._mark(key)

    def _on_slice(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            if piece is not None:
                self._mark(("service", *_service_of(piece)))
        if self._trace is not None:
            self._trace.saw(("service", *_service_of(new or old or {})), ENDPOINT_SLICES, new or old)

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if any(self._host_ports(old, table) != self._host_ports(new, table) for table in self._tables):
            self._mark(("pod", *meta.key(new or old or {})))

    def _mark(self, key: Key) -> None:
        self._dirty.add(key)
        self._wake.set()

    async def run(self) -> None:
        """Keep the rules current until cancelled; the tables stay, so that connections outlive a restart."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            tasks.create_task(self._pods.run())
            tasks.create_task(self._node.run())
            await self._informers.wait_synced()
            await self._pods.wait_synced()
            await self._node.wait_synced()
            try:
                with self._kernel.listening():
                    while True:
                        await self.sync()
                        await self._wake.wait()
                        await self._clock.sleep(GATHER_SECONDS)
            finally:
                self._health.close()

    async def remove(self) -> None:
        """Take every rule out of the kernel."""
        await self._nft.delete(*(table.words for table in self._tables))

    def _on_foreign_change(self) -> None:
        """Build the tables anew; the more seldom the more often somebody does this."""
        if self._is_applying or not all(table.is_known for table in self._tables):
            self._changed_meanwhile = True
            return
        since = self._clock.monotonic() - self._restored_at
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if since < 2 * self._pause else RETRY_SECONDS
        log.warning("somebody else changed the service rules: they are restored")
        for table in self._tables:
            table.is_known = False
        self._wake.set()

    async def _wait_for_quiet(self) -> None:
        """Between two restorations lies a pause."""
        if all(table.is_known for table in self._tables):
            return
        left = self._restored_at + self._pause - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)
        self._restored_at = self._clock.monotonic()

    async def sync(self) -> None:
        """Bring the kernel up to date with everything that changed."""
        await self._wait_for_quiet()
        self._wake.clear()
        dirty, self._dirty = self._dirty, set()
        made = [self._made(table, dirty) for table in self._tables]
        self._is_applying, self._changed_meanwhile = True, False
        begun = self._clock.monotonic()
        try:
            changed = await self._bring([new for _, new in made])
        except (NftError, OSError, TimeoutError) as error:
            log.error("service rules could not be applied, the tables are built anew: %s", error)
            for table in self._tables:
                table.is_known = False
            self._dirty |= dirty
            await self._clock.sleep(RETRY_SECONDS)
            self._wake.set()
            return
        finally:
            self._is_applying = False
        if self._trace is not None:
            self._trace.took(dirty, begun, changed)
        flows: set[conntrack.Flows] = set()
        for table, (ports, new) in zip(self._tables, made, strict=True):
            flows |= _stale(table, ports)
            table.record(ports, new)
        if self._changed_meanwhile:  # perhaps after our transaction, so that this is not there any more
            self._on_foreign_change()
        self.synced.set()
        for key in dirty:
            if key[0] == "service":
                await self._health.replace(key[1:], self._health_check(key))
        await conntrack.forget(flows, self._clock)

    def _made(self, table: Table, dirty: Iterable[Key]) -> tuple[dict[Key, Ports], dict[Key, rules.Rules]]:
        """The ports of each key and the rules that come of them."""
        ports: dict[Key, Ports] = {}
        new: dict[Key, rules.Rules] = {}
        for key in dirty:
            if key[0] == "service":
                ports[key] = found = self._ports_of(key, table)
                new[key] = table.rules_of_services(found)
            else:
                ports[key] = hosted = self._host_ports(self._pods.lister.get(key[2], key[1]), table)
                new[key] = rules.of_host_ports(hosted, table.family)
        return ports, new

    async def _bring(self, new: list[dict[Key, rules.Rules]]) -> int:
        """One transaction for all tables; how many lines it had."""
        text = ""
        for table, wanted in zip(self._tables, new, strict=True):
            clients = await self._clients(table, wanted)
            text += table.commands(wanted) + "".join(clients)
        if text:
            with self._kernel.own_transaction():
                await self._nft.apply(text)
        return text.count("\n")

    async def _clients(self, table: Table, wanted: dict[Key, rules.Rules]) -> list[str]:
        """Which clients stay with their endpoints although the table is built anew; none when the kernel does not say."""
        sticky = table.sticky_sets(wanted)
        try:
            return kept_clients(table.words, await self._nft.sets(table.words), sticky) if sticky else []
        except (NftError, OSError, TimeoutError, ValueError) as error:
            log.warning("clients of Services with session affinity may come to other endpoints: %s", error)
            return []

    def _host_ports(self, pod: Object | None, table: Table) -> tuple[model.HostPort, ...]:
        return model.host_ports(pod, table.family) if pod is not None else ()

    def _health_check(self, key: Key) -> HealthCheck | None:
        service = self._services.lister.get(key[2], key[1])
        if service is None:
            return None
        return model.health_check(
            service, self._slices.lister.by_index("service", key[1:]), self._config.node_name
        )

    def _ports_of(self, key: Key, table: Table) -> tuple[model.ServicePort, ...]:
        service = self._services.lister.get(key[2], key[1])
        if service is None:
            return ()
        return model.service_ports(
            service,
            self._slices.lister.by_index("service", key[1:]),
            self._config.node_name,
            self._zone,
            table.family,
        )


def _stale(table: Table, new: dict[Key, Ports]) -> set[conntrack.Flows]:
    """UDP flows that the rules before would have led elsewhere."""
    before = [port for key in new for port in table.ports(key)]
    after = [port for ports in new.values() for port in ports]
    old_services = [port for port in before if isinstance(port, model.ServicePort)]
    new_services = [port for port in after if isinstance(port, model.ServicePort)]
    old_hosts = [port for port in before if isinstance(port, model.HostPort)]
    new_hosts = [port for port in after if isinstance(port, model.HostPort)]
    return conntrack.stale_flows(old_services, new_services, table.family) | conntrack.flows_of_host_ports(
        old_hosts, new_hosts, table.family
    )


def _service_of(piece: Object) -> tuple[str, str]:
    return meta.namespace(piece), meta.labels(piece).get(SERVICE_LABEL, "")
