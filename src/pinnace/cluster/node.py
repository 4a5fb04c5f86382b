"""The embedded node: containerd, kubelet, service proxy, name server and ingress in the server's process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pinnace.client.interface import Client
from pinnace.cluster import addons, network, preflight, registries
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.containerd import ClusterContainerd, containerd_config
from pinnace.cluster.decide import Names, names_of
from pinnace.cluster.pki import Pki
from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.kubelet.cri.private_containerd import BridgeNetwork

if TYPE_CHECKING:
    from pinnace.ingress.haproxy_config import Listen

log = logging.getLogger(__name__)

Part = tuple[str, Callable[[], Awaitable[None]]]


@dataclass
class Node:
    """`clients(user, groups)` gives an API client of that identity. Call `prepare` early: it needs no API server."""

    config: ClusterConfig
    clock: Clock
    pki: Pki
    address: str
    clients: Callable[[str, tuple[str, ...]], Client]
    notes: list[str] = field(default_factory=list)
    http_port: int = 0
    https_port: int = 0

    def __post_init__(self) -> None:
        self.names: Names = names_of(self.config.name)
        self.subnet = network.node_subnet(self.config.pod_cidr)
        bridge = BridgeNetwork(
            name=self.names.nft_table,
            bridge=self.names.bridge,
            subnet=str(self.subnet),
            state_dir=self.config.directory / "containerd" / "addresses",
            masquerade=False,  # the service proxy's table does this
            port_map=False,  # and this: no iptables rules beside it
            bandwidth=preflight.has_bandwidth_plugin(),
        )
        source = Path(self.config.registry_config) if self.config.registry_config else None
        self.containerd = ClusterContainerd(
            containerd_config(self.config.directory, registries.read(source)), bridge, self.clock
        )
        self.gateway = ""

    @property
    def runtime_endpoint(self) -> str:
        wish = self.config.container_runtime_endpoint
        if not wish:
            return self.containerd.endpoint
        return wish if "://" in wish else f"unix://{wish}"

    async def prepare(self) -> None:
        """Bridge and containerd; raises RuntimeError or NetworkError in words for the user."""
        self.gateway = await network.prepare(self.names.bridge, self.subnet)
        if not self.config.container_runtime_endpoint:
            await self.containerd.ensure()

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Start every part; each is started again when it fails."""
        parts: list[Part] = [("kubelet", self._kubelet), ("service proxy", self._proxy)]
        if not self.config.container_runtime_endpoint:
            parts.append(("containerd", self.containerd.keep))
        if not self.config.disable_dns:
            parts.append(("dns", self._dns))
        if not self.config.disable_ingress and preflight.find_program("haproxy"):
            self._choose_ports()
            if self.http_port or self.https_port:
                parts.append(("ingress", self._ingress))
        for name, work in parts:
            tasks.create_task(keep_running(name, work, self.clock), name=name)

    async def _kubelet(self) -> None:
        from pinnace.cluster.kubelet import run_kubelet

        user = f"system:node:{self.config.node_name}"
        await run_kubelet(self, self.clients(user, ("system:nodes",)))

    async def _proxy(self) -> None:
        from pinnace.proxy.loop import ProxyConfig, ServiceProxy

        config = ProxyConfig(
            self.config.node_name, tuple(self.config.pod_cidr.split(",")), self.names.nft_table
        )
        await ServiceProxy(self.clients("system:kube-proxy", ()), self.clock, config).run()

    async def _dns(self) -> None:
        from pinnace.dns.server import DnsConfig, DnsServer

        port = 53 if preflight.port_is_free(53, self.gateway) else 0
        client = self.clients("system:kube-dns", ("system:masters",))
        server = DnsServer(client, self.clock, DnsConfig(self.gateway, port, self.config.cluster_domain))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run())
            await server.listening()
            await addons.apply(client, addons.dns_objects(self.config.dns_ip, self.gateway, server.port))

    def _choose_ports(self) -> None:
        """Busy ports are reported and done without; those of our own running HAProxy are not busy."""
        from pinnace.ingress.haproxy import Haproxy

        adopted = bool(Haproxy(self.clock, self._listen()).pid)
        self.http_port = self._port(self.config.http_port or 0, "--http-port", adopted=adopted)
        self.https_port = self._port(self.config.https_port or 0, "--https-port", adopted=adopted)

    def _port(self, port: int, flag: str, *, adopted: bool) -> int:
        if adopted or preflight.port_is_free(port):
            return port
        holder = preflight.port_holder(port)
        by = f" by {holder}" if holder.pid else ""
        self.notes.append(
            f"ingress: port {port} is taken{by}, so it is not served: choose another with {flag} N"
        )
        return 0

    def _listen(self) -> "Listen":
        from pinnace.ingress.haproxy_config import Listen

        directory = self.config.directory / "ingress"
        return Listen(directory, self.http_port, self.https_port)

    async def _ingress(self) -> None:
        from pinnace.ingress.controller import IngressConfig, IngressController

        listen = self._listen()
        listen.directory.mkdir(parents=True, exist_ok=True)
        certificate = (
            self.pki.cert("ingress-default").read_bytes() + self.pki.key("ingress-default").read_bytes()
        )
        default = listen.directory / "default.pem"
        default.touch(mode=0o600)
        default.write_bytes(certificate)
        client = self.clients("system:pinnace-ingress", ("system:masters",))
        await addons.apply(client, [addons.ingress_class()])
        await IngressController(client, self.clock, IngressConfig(listen, self.address)).run()
