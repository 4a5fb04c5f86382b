"""A whole cluster in one process: makes the parts, joins them, says how far it is, ends them in order."""

import asyncio
import logging
import os
import platform
import ssl
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnace import __version__
from pinnace.api import meta
from pinnace.api.core import nodes as node_rules
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.apiserver.server import ApiServer
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.cluster import address_ranges, autoscaling, kubeconfig, leadership, service_balancing
from pinnace.cluster.config import STORAGE, ClusterConfig
from pinnace.cluster.control_plane import ADMIN, MASTERS, api_server_config, open_store, service_ip
from pinnace.cluster.decide import node_addresses
from pinnace.cluster.node_directories import NodeDirectories
from pinnace.cluster.pki import Pki, cluster_leaves
from pinnace.cluster.progress import Progress
from pinnace.cluster.renewal import Renewal
from pinnace.cluster.security import seconds
from pinnace.cluster.state import RunState
from pinnace.component.clock import Clock
from pinnace.component.metrics import Source
from pinnace.component.tasks import keep_running

if TYPE_CHECKING:
    from pinnace.client.rest import RestClient
    from pinnace.cluster.node import Node
    from pinnace.controllers.volumes.local_path import LocalPathConfig

log = logging.getLogger(__name__)


class Cluster:
    def __init__(
        self, config: ClusterConfig, clock: Clock, *, state: RunState, progress: Progress, notes: list[str]
    ) -> None:
        self._config, self._clock = config, clock
        self._state, self._progress, self._notes = state, progress, notes
        self._addresses = node_addresses(config)
        self._address = self._addresses[0]
        self._pki = Pki(config.directory / "pki", clock.now())
        self._server: ApiServer | None = None
        self._node: Node | None = None
        self._serving: ssl.SSLContext | None = None  # the kubelet's
        self._record: dict[str, Any] = {}

    async def run(self) -> None:
        """Until cancelled; raises what made the start fail. Containers and HAProxy go on running afterwards."""
        config = self._config
        renewal = self._make_certificates()
        preparing = None
        if config.has_real_node:
            from pinnace.cluster.node import Node

            self._node = Node(
                config, self._clock, self._address, self._client, self._kubelet_tls, ca=self._pki.ca.read_text(),
                subnets=address_ranges.node_subnets(config.pod_cidr), other_addresses=self._addresses[1:], ingress_certificate=self._ingress_certificate(), notes=self._notes,
            )  # fmt: skip
            preparing = asyncio.create_task(self._node.prepare(), name="prepare node")
        advertise = self._address if config.bind_address in ("0.0.0.0", "::") else config.bind_address
        self._server = ApiServer(
            api_server_config(config, self._pki, advertise), open_store(config, self._clock), self._clock
        )
        if self._node is not None:
            self._node.tracer = self._server.services.tracer
        try:
            await self._server.start()
            self._write_access()
            self._progress.step(f"API server at {self._record['server']}")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_running("certificates", renewal.run, self._clock), name="certificates")
                self._start_control_plane(tasks)
                if preparing is not None:
                    await preparing
                    self._progress.step("containerd")
                await self._start_nodes(tasks)
                await self._wait_ready()
                self._tell_ready()
        finally:
            if preparing is not None:
                preparing.cancel()
            await self._server.stop()

    async def _kubelet_tls(self) -> ssl.SSLContext:
        from pinnace.kubelet.server.server import serving_tls

        pki = self._pki
        self._serving = serving_tls(pki.cert("kubelet-server"), pki.key("kubelet-server"), pki.ca)
        return self._serving

    def _use_certificates(self) -> None:
        """What was made anew, for the connections to come; also the administrator's, whose old one is good for a while."""
        pki = self._pki
        assert self._server is not None
        self._server.reload_certificates()
        if self._serving is not None:
            self._serving.load_cert_chain(pki.cert("kubelet-server"), pki.key("kubelet-server"))
        kubeconfig.renew(Path(self._record["kubeconfig"]), self._config.name, pki.directory)

    def _ingress_certificate(self) -> bytes:
        pki = self._pki
        return pki.cert("ingress-default").read_bytes() + pki.key("ingress-default").read_bytes()

    def _client(self, user: str, groups: tuple[str, ...]) -> Client:
        assert self._server is not None
        return self._server.local_client(user, groups)

    def _make_certificates(self) -> Renewal:
        """Now; and what makes them anew later."""
        config = self._config
        host = platform.node().lower()
        addresses = [
            name
            for name in (
                host,
                *self._addresses,
                config.bind_address,
                *filter(None, config.tls_san.split(",")),
            )
            if name not in ("0.0.0.0", "::")
        ]
        leaves = cluster_leaves(
            service_ip=service_ip(config), domain=config.cluster_domain, addresses=list(dict.fromkeys(addresses)),
            node_name=config.node_name, node_ips=self._addresses,
        )  # fmt: skip
        if self._pki.ensure(leaves):
            self._progress.step("certificates")
        (config.directory / "ca.crt").write_bytes(self._pki.ca.read_bytes())
        return Renewal(self._pki, leaves, self._clock, self._use_certificates)

    def _write_access(self) -> None:
        """kubeconfig, token and the record that `status` and `down` read."""
        config, server = self._config, self._server
        assert server is not None
        host = "127.0.0.1" if config.bind_address in ("0.0.0.0", "::") else config.bind_address
        url = f"https://{host}:{server.port}"
        path = kubeconfig.give_access(config.kubeconfig, config.name, url, self._pki.directory)
        self._record = {
            "name": config.name, "pid": os.getpid(), "server": url, "port": server.port,
            "kubeconfig": str(path), "context": kubeconfig.context_name(config.name),
            "version": f"v1.36.2+pinnace.{__version__}", "nodes": config.nodes, "nodeName": config.node_name,
            "kubeletPort": config.kubelet_port, "podCIDR": config.pod_cidr, "serviceCIDR": config.service_cidr,
            "clusterDNS": "" if config.disable_dns else config.dns_ip, "clusterDomain": config.cluster_domain,
            "networkPolicy": config.network_policy,
            "joinServer": f"https://{config.bind_address if host != '127.0.0.1' else self._address}:{server.port}",
            "ready": False,
        }  # fmt: skip
        self._write_record()

    def _issue_account_token(self, account: Any, secret: Any) -> str:
        assert self._server is not None
        return self._server.services.tokens.issue_legacy(account, secret)

    def _write_record(self) -> None:
        node = self._node
        self._record["notes"] = self._notes
        if node is not None:
            self._record["containerdSocket"] = node.runtime_endpoint.removeprefix("unix://")
            self._record["httpPort"], self._record["httpsPort"] = node.http_port, node.https_port
        self._state.write(self._record)

    def _start_control_plane(self, tasks: asyncio.TaskGroup) -> None:
        config, clock = self._config, self._clock
        assert self._server is not None
        metrics, debug = self._server.services.metrics.parts, self._server.services.debug
        tracer = self._server.services.tracer

        async def controllers(client: Client) -> None:
            from pinnace.cluster import addons
            from pinnace.cluster.node_dns import DnsService
            from pinnace.controllers.catalog import ControllersConfig
            from pinnace.controllers.controllers import Controllers
            from pinnace.controllers.nodes.ipam import NodeIpamConfig
            from pinnace.controllers.nodes.lifecycle import NodeLifecycleConfig
            from pinnace.controllers.volumes.local_path import LocalPathProvisioner

            settings = ControllersConfig(
                controllers=_with_tokens(config.controllers.split(",")),
                root_ca=self._pki.ca.read_text(),
                api_server_names=(service_ip(config), *filter(None, config.tls_san.split(","))),
                cluster_signing_cert_file=self._pki.ca,
                cluster_signing_key_file=self._pki.key("ca"),
                cluster_signing_seconds=seconds(config.cluster_signing_duration, 365 * 86400.0),
                issue_account_token=self._issue_account_token,
                node_ipam=None
                if config.simulated_nodes
                else NodeIpamConfig(tuple(config.pod_cidr.split(",")), brought=self._own_subnets()),
                nodes=NodeLifecycleConfig(node_monitor_grace_period=config.node_monitor_grace_period),
                local_path=self._local_path(),
                csi_controllers=tuple(filter(None, config.csi_controller.split(","))),
                service_balancer=service_balancing.settings(config),
                autoscaling=autoscaling.settings(config),
                tracer=tracer,
            )
            made = Controllers(client, clock, settings)

            async def work() -> None:
                async with asyncio.TaskGroup() as parts:
                    parts.create_task(made.run())
                    if not config.disable_dns and not config.simulated_nodes:
                        dns = DnsService(client, clock, config.dns_ip.split(","))
                        parts.create_task(keep_running("dns service", dns.run, clock))
                    if LocalPathProvisioner.name in made.running:
                        parts.create_task(addons.create_missing(client, addons.storage_classes()))

            await shown("controllers", made.metrics, work())

        async def scheduler(client: Client) -> None:
            from pinnace.cluster.scheduler_config import scheduler_settings
            from pinnace.scheduler.loop import Scheduler, SchedulerConfig

            settings = scheduler_settings(config)
            made = Scheduler(client, clock, SchedulerConfig(settings=settings, tracer=tracer))
            debug["scheduler"] = made.debug
            try:
                await shown("scheduler", made.metrics.families, made.run())
            finally:
                del debug["scheduler"]

        async def shown(name: str, source: Source, work: Awaitable[None]) -> None:
            metrics[name] = source
            try:
                await work
            finally:
                del metrics[name]

        manager = self._client("system:kube-controller-manager", (MASTERS,))
        led = partial(leadership.run, config, clock)
        tasks.create_task(led(manager, "kube-controller-manager", controllers, metrics), name="controllers")
        if not config.disable_scheduler:
            own = self._client("system:kube-scheduler", ())
            tasks.create_task(led(own, "kube-scheduler", scheduler, metrics), name="scheduler")

    def _own_subnets(self) -> tuple[str, tuple[address_ranges.Network, ...]]:
        """What the node of this process uses as long as it runs, whatever becomes of its Node object."""
        config = self._config
        return (
            (config.node_name, address_ranges.node_subnets(config.pod_cidr))
            if config.has_real_node
            else ("", ())
        )

    def _local_path(self) -> "LocalPathConfig | None":
        """Where the default storage class keeps its directories; None for a cluster without nodes."""
        from pinnace.controllers.volumes.local_path import LocalPathConfig

        config = self._config
        if not config.has_real_node and not config.simulated_nodes:
            return None
        node = config.node_name if config.has_real_node else ""
        others = NodeDirectories(self._connect, self._clock) if node else None
        return LocalPathConfig(config.directory / STORAGE, node, others)

    def _connect(self) -> "RestClient":
        """To this server, as everybody: for the proxy to nodes, which passes a connection on."""
        from pinnace.client.rest import RestClient

        tls = ssl.create_default_context(cadata=self._pki.ca.read_text())
        token = (self._config.directory / "token").read_text().strip()
        return RestClient(self._record["server"], tls=tls, token=token, user_agent="pinnace-local-path")

    async def _start_nodes(self, tasks: asyncio.TaskGroup) -> None:
        config, clock = self._config, self._clock
        if self._node is not None:
            await self._node.run(tasks)
            for note in self._notes:
                self._progress.note(note)
        elif config.simulated_nodes:

            async def simulated() -> None:
                from pinnace.kubelet.simulated import SimulatedNodes, SimulatedNodesConfig

                client = self._client("system:node-simulator", (MASTERS,))
                settings = SimulatedNodesConfig(pod_network=config.pod_cidr.split(",")[0], is_kwok=True)
                assert self._server is not None
                tracer = self._server.services.tracer
                await SimulatedNodes(client, clock, config.simulated_nodes, settings, tracer=tracer).run()

            tasks.create_task(keep_running("simulated nodes", simulated, clock), name="simulated nodes")

    async def _wait_ready(self) -> None:
        """Return when as many nodes as were asked for are Ready."""
        wanted = self._config.simulated_nodes or int(self._config.has_real_node)
        if not wanted:
            return
        informer = Informer(self._client(ADMIN, (MASTERS,)), self._clock, NODES)
        ready = asyncio.Event()
        names: set[str] = set()

        def look(old: Object | None, new: Object | None) -> None:
            if new is not None and node_rules.is_ready(new):
                names.add(meta.name(new))
            else:
                names.discard(meta.name(new or old or {}))
            if len(names) >= wanted:
                ready.set()

        informer.add_handler(look)
        watching = asyncio.create_task(informer.run())
        try:
            await ready.wait()
        finally:
            watching.cancel()

    def _tell_ready(self) -> None:
        self._record["ready"] = True
        self._write_record()
        context = self._record["context"]
        self._progress.ready(
            f"Cluster {self._config.name!r} is up: {self._record['server']}\n"
            f"kubectl uses context {context!r} of {self._record['kubeconfig']}. Try: kubectl get nodes"
        )


def _with_tokens(asked: list[str]) -> tuple[str, ...]:
    """Nodes join with bootstrap tokens: `*` has their two controllers here, as kubeadm has it."""
    return ("bootstrap-signer", "token-cleaner", *asked) if "*" in asked else tuple(asked)
