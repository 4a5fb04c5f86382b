"""What `pinnace agent` is told, and what it remembers of it: the server, the node's name, the pinned hash; never the token."""

import argparse
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pinnace.cluster import node_settings, remembered
from pinnace.cluster.config import DEFAULT_KUBELET_PORT, ClusterConfig
from pinnace.cluster.errors import UsageError
from pinnace.cluster.tracing import TRACE_BUFFER, check_tracing_configuration
from pinnace.component.tracing import MOST_BYTES

DEFAULT_AGENT_NAME = "agent"
TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}\Z")
HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\Z")
SETTINGS = (
    "pod_cidr",
    "service_cidr",
    "dns_ip",
    "cluster_domain",
)  # of the cluster, as its nodes must know them


@dataclass
class AgentConfig:
    """`node` has what every node is configured with; its networks are the cluster's, and empty until they are known."""

    node: ClusterConfig
    server: str  # as it was said: one URL, or several with commas
    token: str = ""
    ca_hashes: tuple[str, ...] = ()

    @property
    def servers(self) -> list[str]:
        return self.server.split(",")

    def remember(self) -> None:
        values = {"server": self.server, "node_name": self.node.node_name, "ca_hashes": list(self.ca_hashes)}
        values |= {name: getattr(self.node, name) for name in (*SETTINGS, "network_policy")}
        remembered.save(self.node.directory, values)


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--server", help="URL of the cluster's API server: https://HOST:6443; of several servers: with commas"
    )
    add("--token", help="bootstrap token; needed to join, not to start again")
    add(
        "--discovery-token-ca-cert-hash", "--ca-hash", dest="ca_hashes", action="append", default=[],
        metavar="sha256:HEX", help="the cluster's CA must have this hash; may be repeated",
    )  # fmt: skip
    add(
        "--name",
        default=DEFAULT_AGENT_NAME,
        help=f"of what this machine keeps for it (default {DEFAULT_AGENT_NAME})",
    )
    add("--data-dir", default="", help="where the node keeps its data (default /var/lib/pinnace/NAME)")
    add("--node-name", default="", help="the node's name (default: the host name)")
    add("--node-ip", default="", help="the address by which other machines reach this one")
    add("--kubelet-port", type=int, default=DEFAULT_KUBELET_PORT)
    add(
        "--registry-config", default="", help="mirrors, TLS and logins per registry, as k3s's registries.yaml"
    )
    add("--container-runtime-endpoint", default="", help="CRI socket of a running runtime")
    add(
        "--tracing-config-file",
        default="",
        help="a TracingConfiguration: the collector that recorded spans are sent to",
    )
    add("--trace-buffer-bytes", type=int, default=MOST_BYTES, help=TRACE_BUFFER)
    node_settings.add_flags(parser)
    add("--timeout", type=float, default=120.0, help="seconds to wait with --background (default 120)")
    add("-v", "--verbosity", type=int, default=0)
    add("--logging-format", default="text", choices=["text", "json"])


def from_args(args: argparse.Namespace) -> AgentConfig:
    """Raises UsageError."""
    node = ClusterConfig(
        name=args.name, data_dir=args.data_dir, node_name=args.node_name, node_ip=args.node_ip or "",
        kubelet_port=args.kubelet_port, registry_config=args.registry_config,
        container_runtime_endpoint=args.container_runtime_endpoint, timeout=args.timeout,
        verbosity=args.verbosity, logging_format=args.logging_format, disable_ingress=True,
        tracing_config_file=args.tracing_config_file, trace_buffer_bytes=args.trace_buffer_bytes,
    )  # fmt: skip
    for flag in node_settings.FLAGS:
        setattr(node, node_settings.attribute(flag), getattr(args, node_settings.attribute(flag)) or "")
    node.check_name()
    node.check()
    if node.tracing_config_file:
        check_tracing_configuration(Path(node.tracing_config_file))
    before = remembered.load(node.directory)
    if before and "server" not in before:
        raise UsageError(
            f"{node.directory} holds a cluster, not an agent: choose another --name or --data-dir"
        )
    server = _server(args.server or before.get("server", ""))
    if args.token and not TOKEN.match(args.token):
        raise UsageError("--token: must be of the form [a-z0-9]{6}.[a-z0-9]{16}")
    for entry in args.ca_hashes:
        if not HASH.match(entry):
            raise UsageError(
                f"--discovery-token-ca-cert-hash {entry}: must be sha256: and 64 hexadecimal digits"
            )
    node.node_name = node.node_name or before.get("node_name", "") or platform.node().lower()
    if not NODE_NAME.match(node.node_name) or len(node.node_name) > 253:
        raise UsageError(f"--node-name {node.node_name}: must be a DNS name in lowercase")
    if before.get("node_name", node.node_name) != node.node_name:
        raise UsageError(
            f"--node-name {node.node_name}: this machine joined as {before['node_name']!r}: `pinnace agent down --purge` first"
        )
    for name in SETTINGS:
        setattr(node, name, before.get(name) or "")
    node.network_policy = before.get("network_policy", True)
    hashes = tuple(args.ca_hashes) or tuple(before.get("ca_hashes") or ())
    return AgentConfig(node, server, args.token or "", hashes)


def _server(text: str) -> str:
    """One or several URLs, each once and without a slash at the end. Raises UsageError."""
    servers = list(dict.fromkeys(one.strip().rstrip("/") for one in text.split(",")))
    if servers == [""]:
        raise UsageError(
            "say which cluster: `pinnace token create --print-join-command` on its server prints the whole command"
        )
    for one in servers:
        parts = urlsplit(one)
        if parts.scheme != "https" or not parts.hostname or parts.path:
            raise UsageError(f"--server {one}: must be https://HOST:PORT")
    return ",".join(servers)
