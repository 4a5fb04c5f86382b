"""The service proxy: watches Services, EndpointSlices and this node's host ports, and keeps the table in the kernel equal to them.

Changes that arrive together are one transaction. A failed one is followed by building the whole table anew.
"""

import asyncio
import logging
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, PODS, SERVICES
from pinnace.client.informer import Informer, Informers
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.proxy import conntrack, model, rules
from pinnace.proxy.nftables import Nft, NftError

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
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
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._applied: dict[Key, rules.Rules] = {}
        self._ports: dict[Key, tuple[model.ServicePort, ...]] = {}
        self._has_base = False
        self.synced = asyncio.Event()  # set when the kernel first had all Services
        self._services.add_handler(lambda old, new: self._mark(("service", *meta.key(new or old or {}))))
        self._pods.add_handler(self._on_pod)
        self._slices.add_handler(self._on_slice)

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
            await self._informers.wait_synced()
            await self._pods.wait_synced()
            while True:
                await self.sync()
                await self._wake.wait()
                await self._clock.sleep(GATHER_SECONDS)

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
            if self._has_base:
                await self._apply(
                    rules.merged(self._applied.get(key, rules.NOTHING) for key in dirty),
                    rules.merged(new.values()),
                )
            else:
                whole = rules.merged(
                    [*(r for k, r in self._applied.items() if k not in dirty), *new.values()]
                )
                base = rules.base_table(self._nft.table, self._config.pod_cidr)
                await self._nft.apply(base + rules.transaction(self._nft.table, rules.NOTHING, whole))
                self._has_base = True
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
        await conntrack.forget(flows, self._clock)

    async def _apply(self, old: rules.Rules, new: rules.Rules) -> None:
        text = rules.transaction(self._nft.table, old, new)
        if text:
            await self._nft.apply(text)

    def _record(self, ports: dict[Key, tuple[model.ServicePort, ...]], new: dict[Key, rules.Rules]) -> None:
        self._ports.update(ports)
        self._applied.update(new)
        for key in [key for key, made in new.items() if made == rules.NOTHING]:
            del self._applied[key]
            self._ports.pop(key, None)

    def _host_rules(self, key: Key) -> rules.Rules:
        pod = self._pods.lister.get(key[2], key[1])
        return rules.of_host_ports(model.host_ports(pod)) if pod is not None else rules.NOTHING

    def _ports_of(self, key: Key) -> tuple[model.ServicePort, ...]:
        service = self._services.lister.get(key[2], key[1])
        if service is None:
            return ()
        return model.service_ports(
            service, self._slices.lister.by_index("service", key[1:]), self._config.node_name
        )


def _service_of(piece: Object) -> tuple[str, str]:
    return meta.namespace(piece), meta.labels(piece).get(SERVICE_LABEL, "")
