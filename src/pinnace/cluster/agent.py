"""`pinnace agent`: this machine as a node of a cluster whose control plane is elsewhere.

Joining: find the CA (`discovery`), ask for the node's client certificate with the bootstrap token, then for one for the parts
beside the kubelet. After that everything goes on without the token, and starts again without the server.
"""

import asyncio
import logging
import os
import ssl
from pathlib import Path
from typing import Any

from pinnace import __version__
from pinnace.api import meta
from pinnace.api.certificates import requests
from pinnace.api.core import nodes as node_rules
from pinnace.api.meta import Object
from pinnace.api.resources import CONFIG_MAPS, NODES
from pinnace.apimachinery.errors import Forbidden, NotFound, StatusError, Unauthorized
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.client.rest import RestClient
from pinnace.cluster import discovery, joining, node_identity
from pinnace.cluster.agent_flags import SETTINGS, AgentConfig
from pinnace.cluster.decide import own_addresses
from pinnace.cluster.discovery import Discovery, JoinError
from pinnace.cluster.node import Node, known_subnets
from pinnace.cluster.node_identity import NodeCertificate, Wish
from pinnace.cluster.progress import Progress
from pinnace.cluster.state import RunState
from pinnace.cluster.tracing import sending_spans
from pinnace.component.clock import Clock
from pinnace.component.tasks import keep_running
from pinnace.component.tracing import Tracer
from pinnace.controllers.certificates.node_certificates import PARTS_GROUP, parts_user

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
KEYS = dict(zip(SETTINGS, ("clusterCIDR", "serviceCIDR", "clusterDNS", "clusterDomain"), strict=True))


class Agent:
    def __init__(
        self, config: AgentConfig, clock: Clock, *, state: RunState, progress: Progress, notes: list[str]
    ) -> None:
        self._config, self._clock = config, clock
        self._state, self._progress, self._notes = state, progress, notes
        self._name, self._directory = config.node.node_name, config.node.directory
        self._ca_file = self._directory / "ca.crt"
        self._ca = ""
        self._tls: dict[
            str, ssl.SSLContext
        ] = {}  # by certificate: "kubelet-client", "parts-client", "kubelet-server"
        self._clients: dict[str, RestClient] = {}
        self._node: Node | None = None
        most_bytes = config.node.trace_buffer_bytes
        self._tracer = Tracer(clock, most_bytes) if most_bytes else None
        self._addresses: frozenset[str] = frozenset()  # of our Node, as the API has them
        client, parts = f"system:node:{self._name}", parts_user(self._name)
        self._wishes = {
            "kubelet-client": Wish(requests.KUBELET_CLIENT, client, "system:nodes", "client auth"),
            "parts-client": Wish(requests.CLIENT, parts, PARTS_GROUP, "client auth"),
        }
        self._certificates: dict[str, NodeCertificate] = {}

    async def run(self) -> None:
        """Until cancelled; raises JoinError. Containers go on running afterwards."""
        await self._join()
        await self._learn_settings()
        node = self._node = self._make_node()
        self._write_record(is_ready=False)
        try:
            await node.prepare()
            self._progress.step("containerd")
            file = self._config.node.tracing_config_file
            async with (
                sending_spans(self._tracer, self._clock, file, self._name),
                asyncio.TaskGroup() as tasks,
            ):
                for certificate in self._certificates.values():
                    tasks.create_task(certificate.run())
                tasks.create_task(keep_running("own node", self._follow_own_node, self._clock))
                await node.run(tasks)
        finally:
            for client in self._clients.values():
                await client.close()

    # -- joining ---------------------------------------------------------------------------------------------------
    async def _join(self) -> None:
        """CA and both client certificates, from disk or from the server; waits for a server that is away."""
        self._certificates = {name: self._certificate(name) for name in self._wishes}
        now = self._clock.now()
        have = {
            name: node_identity.is_good(found, self._wishes[name], now)
            for name, one in self._certificates.items()
            if (found := one.stored.load()) is not None
        }
        if self._ca_file.exists():
            self._ca = self._ca_file.read_text()
            discovery.check_pin(self._ca, self._config.ca_hashes)
        if not self._ca or not have.get("kubelet-client"):
            await self._patiently(self._bootstrap)
            self._progress.step(f"joined the cluster at {self._config.server} as {self._name}")
        if not have.get("parts-client"):
            await self._patiently(self._obtain_parts)
        self._certificates["kubelet-server"] = NodeCertificate(
            self._path("kubelet-server"), self._clock, lambda: self._client("kubelet-client"), self._serving_wish,
            lambda: self._use("kubelet-server"),
        )  # fmt: skip

    def _certificate(self, name: str) -> NodeCertificate:
        return NodeCertificate(
            self._path(name),
            self._clock,
            lambda: self._client("kubelet-client"),
            lambda: self._wishes[name],
            lambda: self._use(name),
        )

    def _path(self, name: str) -> Path:
        return self._directory / "pki" / f"{name}.pem"

    async def _patiently(self, step: Any) -> None:
        """Try until the server is there; says once why it waits."""
        pause, told = FIRST_PAUSE, ""
        while True:
            try:
                await step()
            except (ConnectionError, TimeoutError, OSError) as error:
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise JoinError(discovery.certificate_problem(self._config.server, error)) from error
                text = f"{self._config.server} cannot be reached ({error or type(error).__name__}): trying again; `curl -k {self._config.servers[0]}/readyz` shows the same"
                if text != told:
                    self._progress.note(text)
                    told = text
                log.warning("%s", text)
            except Unauthorized as error:
                raise JoinError(
                    f"{self._config.server} does not accept this token (wrong, expired or deleted): {discovery.NEW_TOKEN}"
                ) from error
            except StatusError as error:
                if error.code < 500 and error.code != 429:
                    raise JoinError(f"the cluster refuses this node: {error}") from error
                log.warning("%s", error)
            else:
                return
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _bootstrap(self) -> None:
        config = self._config
        if not config.token:
            lost = (
                "its certificate has expired or is lost"
                if self._ca_file.exists()
                else "it has not joined yet"
            )
            raise JoinError(
                f"this node needs a token, {lost}: `pinnace token create --print-join-command` on the server prints the whole command"
            )
        ca = await discovery.find_ca_at_any(
            [Discovery(one, config.token, config.ca_hashes) for one in config.servers], self._clock
        )
        if self._ca_file.exists() and self._ca_file.read_text() != ca:
            raise JoinError(
                f"this machine belongs to another cluster than {config.server}: `pinnace agent down --purge --name {config.node.name}` first"
            )
        client = self._connect(tls=ssl.create_default_context(cadata=ca), token=config.token)
        try:
            await self._check_name(client)
            key, certificate = await node_identity.obtain(
                client, self._clock, self._wishes["kubelet-client"], prefix="node-csr-"
            )
        finally:
            await client.close()
        self._certificates["kubelet-client"].stored.save(key, certificate)
        self._ca = ca
        self._ca_file.write_text(ca)
        self._config.remember()

    async def _check_name(self, client: Client) -> None:
        try:
            found = await client.get(NODES, self._name)
        except (NotFound, Forbidden):
            return
        if node_rules.is_ready(found):
            raise JoinError(
                f'a Node with name "{self._name}" and status "Ready" already exists in the cluster: choose another name with '
                f"--node-name, or delete that node first (`kubectl delete node {self._name}`)"
            )

    async def _obtain_parts(self) -> None:
        client = self._client("kubelet-client")
        key, certificate = await node_identity.obtain(client, self._clock, self._wishes["parts-client"])
        self._certificates["parts-client"].stored.save(key, certificate)

    # -- clients and certificates ----------------------------------------------------------------------------------
    def _client(self, certificate: str) -> RestClient:
        if certificate not in self._clients:
            tls = ssl.create_default_context(cadata=self._ca)
            tls.load_cert_chain(self._path(certificate))
            self._tls[certificate] = tls
            self._clients[certificate] = self._connect(tls=tls)
        return self._clients[certificate]

    def _connect(self, *, tls: ssl.SSLContext, token: str = "") -> RestClient:
        first, *others = self._config.servers
        return RestClient(
            first, others=others, tls=tls, token=token, user_agent=f"pinnace-agent/{__version__}"
        )

    def _client_for(self, user: str, groups: tuple[str, ...]) -> Client:
        return self._client("kubelet-client" if user == f"system:node:{self._name}" else "parts-client")

    async def _use(self, certificate: str) -> None:
        """From the file into the connections: what is connected already is connected anew."""
        if certificate == "kubelet-server":
            if certificate not in self._tls:
                from pinnace.kubelet.server.server import serving_tls

                self._tls[certificate] = serving_tls(
                    self._path(certificate), self._path(certificate), self._ca_file
                )
            else:
                self._tls[certificate].load_cert_chain(self._path(certificate))
        elif self._certificates[certificate].rotations and certificate in self._clients:
            self._tls[certificate].load_cert_chain(self._path(certificate))
            await self._clients[certificate].renew()

    async def _serving_tls(self) -> ssl.SSLContext:
        await self._certificates["kubelet-server"].ready.wait()
        return self._tls["kubelet-server"]

    def _serving_wish(self) -> Wish | None:
        """Under the names that the Node object has, as soon as it has them."""
        if not self._addresses:
            return None
        return Wish(
            requests.KUBELET_SERVING,
            f"system:node:{self._name}",
            "system:nodes",
            "server auth",
            tuple(sorted(self._addresses)),
        )

    # -- the node --------------------------------------------------------------------------------------------------
    async def _learn_settings(self) -> None:
        """Networks and names of the cluster; those of the last time while the server is away."""
        if not self._config.node.pod_cidr:
            await self._patiently(self._read_settings)
            return
        try:
            await self._read_settings()
        except (ConnectionError, TimeoutError, StatusError) as error:
            self._progress.note(f"{self._config.server} is away: the node goes on with what it knows")
            log.warning("settings: %s", error)

    async def _read_settings(self) -> None:
        found = await self._client("kubelet-client").get(CONFIG_MAPS, joining.NODE_SETTINGS, joining.SYSTEM)
        data = found.get("data") or {}
        for name, key in KEYS.items():
            setattr(self._config.node, name, data.get(key, ""))
        self._config.node.network_policy = data.get("networkPolicy") != "false"
        self._config.remember()

    def _make_node(self) -> Node:
        config = self._config.node
        config.disable_dns = not config.dns_ip
        addresses = tuple(filter(None, own_addresses(config.pod_cidr, config.node_ip)))
        if not addresses:
            raise JoinError(
                "the cluster's pods have IPv6 alone, and this machine has no IPv6 address: give it one, or say which with --node-ip"
            )
        return Node(
            config, self._clock, addresses[0], self._client_for, self._serving_tls, ca=self._ca, subnets=known_subnets(config.directory),
            other_addresses=addresses[1:], is_given_its_subnet=True, notes=self._notes, tracer=self._tracer,
        )  # fmt: skip

    async def _follow_own_node(self) -> None:
        informer = Informer(
            self._client("kubelet-client"), self._clock, NODES, field_selector=f"metadata.name={self._name}"
        )
        informer.add_handler(self._own_node_changed)
        await informer.run()

    def _own_node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or meta.name(new) != self._name:
            return
        addresses = frozenset(
            filter(None, (one.get("address") for one in (new.get("status") or {}).get("addresses") or ()))
        )
        if addresses != self._addresses:
            self._addresses = addresses
            self._certificates["kubelet-server"].look_again.set()
        if node_rules.is_ready(new) and not self._state.read().get("ready"):
            self._write_record(is_ready=True)
            self._progress.ready(f"Node {self._name!r} is Ready in the cluster at {self._config.server}")

    def _write_record(self, *, is_ready: bool) -> None:
        assert self._node is not None
        config = self._config.node
        self._state.write({
            "name": config.name, "pid": os.getpid(), "server": self._config.server, "version": f"v1.36.2+pinnace.{__version__}",
            "nodeName": self._name, "kubeletPort": config.kubelet_port, "podCIDR": config.pod_cidr, "serviceCIDR": config.service_cidr,
            "containerdSocket": self._node.runtime_endpoint.removeprefix("unix://"), "notes": self._notes, "ready": is_ready,
        })  # fmt: skip
