"""A node: containerd, kubelet, pod network, service proxy, name server and ingress, in `up` and in `agent` alike.

`Node.parts` is the one list of what runs on a node. Who assembles it (`cluster` or `agent`) brings the identity: clients of
the API, the kubelet's serving certificate, and the pods' subnet where that is known before the control plane gives it.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pinnace.client.interface import Client
from pinnace.cluster import address_ranges, network, preflight, registries
from pinnace.cluster.address_ranges import Network
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.containerd import ClusterContainerd, containerd_config
from pinnace.cluster.decide import Names, names_of
from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.component.tracing import Tracer
from pinnace.kubelet.cri.private_containerd import BridgeNetwork

if TYPE_CHECKING:
    from pinnace.ingress.haproxy_config import Listen
    from pinnace.netpolicy.loop import NetworkPolicies

log = logging.getLogger(__name__)

SUBNET_FILE = "subnet"  # below the data directory: what the control plane gave, for a start without it


def known_subnets(directory: Path) -> tuple[Network, ...]:
    """The subnets that the control plane gave to this node earlier."""
    try:
        return address_ranges.networks((directory / SUBNET_FILE).read_text())
    except (OSError, ValueError):
        return ()


class Part(NamedTuple):
    name: str
    work: Callable[[], Awaitable[None]]
    is_wanted: bool = True


@dataclass
class Node:
    """`clients(user, groups)` gives an API client of that identity. Call `prepare` early: it needs no API server."""

    config: ClusterConfig
    clock: Clock
    address: str
    clients: Callable[[str, tuple[str, ...]], Client]
    serving_tls: Callable[[], Awaitable[ssl.SSLContext]]  # the kubelet's; waits until there is a certificate
    ca: str = ""  # the cluster's, PEM: what the overlay network is named after
    subnets: tuple[Network, ...] = ()  # of the pods, one of each family; (): not known yet
    other_addresses: tuple[str, ...] = ()  # the node's, of the second family
    is_given_its_subnet: bool = False  # by the control plane; else the node brings it
    ingress_certificate: bytes = b""  # for hosts without a secret of their own, with its key
    notes: list[str] = field(default_factory=list)
    tracer: Tracer | None = None  # None: nothing is recorded
    http_port: int = 0
    https_port: int = 0

    def __post_init__(self) -> None:
        self.names: Names = names_of(self.config.name)
        source = Path(self.config.registry_config) if self.config.registry_config else None
        self.containerd = ClusterContainerd(
            containerd_config(self.config.directory, registries.read(source)), None, self.clock
        )
        self.gateways: tuple[str, ...] = ()
        self.dns_port = 0  # where this node's name server listens, once it does
        self.told = asyncio.Event()  # something that the Node object shall say has changed
        self._has_network = asyncio.Event()
        self._serves_ipv6 = False

    @property
    def runtime_endpoint(self) -> str:
        wish = self.config.container_runtime_endpoint
        if not wish:
            return self.containerd.endpoint
        return wish if "://" in wish else f"unix://{wish}"

    async def prepare(self) -> None:
        """Bridge and containerd; raises RuntimeError or NetworkError in words for the user."""
        if self.subnets:
            await self.use_subnets(self.subnets)
        if not self.config.container_runtime_endpoint:
            await self.containerd.ensure()

    async def use_subnets(self, subnets: tuple[Network, ...], mtu: int = 0) -> None:
        """Make the pods' network of this node: the bridge with the gateways' addresses, and what CNI is told.

        Called again with other values, it changes what differs; pods that run keep what they got.
        """
        self.subnets, text = subnets, ",".join(map(str, subnets))
        if self.is_given_its_subnet:
            (self.config.directory / SUBNET_FILE).write_text(f"{text}\n")
        self.gateways = await network.prepare(self.names.bridge, subnets)
        self.containerd.use_network(
            BridgeNetwork(
                name=self.names.nft_table,
                bridge=self.names.bridge,
                subnet=text,
                state_dir=self.config.directory / "containerd" / "addresses",
                mtu=mtu,
                masquerade=False,  # the service proxy's table does this
                port_map=False,  # and this: no iptables rules beside it
                bandwidth=preflight.has_bandwidth_plugin(),
            )
        )
        self._has_network.set()

    def parts(self) -> tuple[Part, ...]:
        """All that runs on a node. A new part is one row here; it may use the API with the rights of a user of `clients`,
        of which an agent has two: the node itself, and `pinnace:node-parts` for everybody else."""
        config = self.config
        return (
            Part("kubelet", self._kubelet),
            Part("pod network", self._pod_network),
            Part("service proxy", self._proxy),
            Part("network policies", self._network_policies, config.network_policy),
            Part("containerd", self.containerd.keep, not config.container_runtime_endpoint),
            Part("dns", self._dns, not config.disable_dns),
            Part("ingress", self._ingress, bool(self.http_port or self.https_port)),
        )

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Start every part; each is started again when it fails."""
        if not self.config.disable_ingress and preflight.find_program("haproxy"):
            self._choose_ports()
        for part in self.parts():
            if part.is_wanted:
                tasks.create_task(keep_running(part.name, part.work, self.clock), name=part.name)

    @property
    def node_client(self) -> Client:
        return self.clients(f"system:node:{self.config.node_name}", ("system:nodes",))

    async def _kubelet(self) -> None:
        from pinnace.cluster.kubelet import run_kubelet

        await run_kubelet(self, self.node_client)

    async def _pod_network(self) -> None:
        from pinnace.cluster.pod_network import PodNetwork

        await PodNetwork(self, self.clients("system:kube-proxy", ())).run()

    @cached_property
    def policies(self) -> "NetworkPolicies | None":
        """One for the life of the node: the kubelet asks it before it starts a container."""
        if not self.config.network_policy:
            return None
        from pinnace.netpolicy.loop import NetworkPolicies, NetworkPolicyConfig

        client = self.clients("system:kube-proxy", ())
        return NetworkPolicies(
            client, self.clock, NetworkPolicyConfig(self.config.node_name, self.names.policy_table)
        )

    async def _network_policies(self) -> None:
        if self.policies is not None:
            await self.policies.run()

    async def _proxy(self) -> None:
        from pinnace.proxy.loop import ProxyConfig, ServiceProxy

        config = ProxyConfig(
            self.config.node_name, tuple(self.config.pod_cidr.split(",")), self.names.nft_table
        )
        await ServiceProxy(self.clients("system:kube-proxy", ()), self.clock, config, self.tracer).run()

    async def _dns(self) -> None:
        from pinnace.dns.server import DnsConfig, DnsServer

        await self._has_network.wait()
        port = 53 if all(preflight.port_is_free(53, gateway) for gateway in self.gateways) else 0
        config = DnsConfig(
            self.gateways[0], port, self.config.cluster_domain, more_addresses=self.gateways[1:]
        )
        server = DnsServer(self.clients("system:kube-dns", ()), self.clock, config, self.tracer)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run())
            await server.listening()
            self.dns_port = server.port
            self.told.set()

    def _choose_ports(self) -> None:
        """Busy ports are reported and done without; those of our own running HAProxy are not busy."""
        from pinnace.ingress.haproxy import Haproxy

        adopted = bool(Haproxy(self.clock, self._listen()).pid)
        self.http_port = self._port(self.config.http_port or 0, "--http-port", adopted=adopted)
        self.https_port = self._port(self.config.https_port or 0, "--https-port", adopted=adopted)
        self._serves_ipv6 = preflight.has_ipv6()
        for port in (
            filter(None, (self.http_port, self.https_port)) if self._serves_ipv6 and not adopted else ()
        ):
            if not preflight.port_is_free(port, "::", alone=True):
                self._serves_ipv6 = False
                self.notes.append(
                    f"ingress: port {port} of IPv6 is taken, so that it is served over IPv4 alone"
                )

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
        return Listen(
            directory, self.http_port, self.https_port, drops_root=os.geteuid() == 0, address6="::" if self._serves_ipv6 else ""
        )  # fmt: skip

    async def _ingress(self) -> None:
        from pinnace.cluster import addons
        from pinnace.ingress.controller import IngressConfig, IngressController

        listen = self._listen()
        listen.directory.mkdir(parents=True, exist_ok=True)
        default = listen.directory / "default.pem"
        default.touch(mode=0o600)
        default.write_bytes(self.ingress_certificate)
        client = self.clients("system:pinnace-ingress", ())
        await addons.apply(client, [addons.ingress_class()])
        await IngressController(client, self.clock, IngressConfig(listen, self.address), self.tracer).run()
