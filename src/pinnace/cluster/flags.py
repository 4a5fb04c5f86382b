"""The flags of `pinnace up` and `pinnace server`, one table row each; what they mean together is `config`'s.

A default of None means "not given".
"""

import argparse
from typing import Any, NamedTuple

from pinnace.cluster import autoscaling, node_settings
from pinnace.cluster.config import DEFAULT_NAME
from pinnace.cluster.security import add_security_flags, boolean

SWITCH = object()  # takes no value


class Row(NamedTuple):
    flag: str
    help: str | None = None
    type: Any = None  # SWITCH, or what reads the text
    dest: str | None = None  # the field of ClusterConfig, where it is called otherwise


CLUSTER = (
    Row("name", f"the cluster's name (default {DEFAULT_NAME})"),
    Row("data-dir", "where the cluster keeps its data (default /var/lib/pinnace/NAME)"),
    Row(
        "kubeconfig", "write only this kubeconfig file instead of merging into $KUBECONFIG or ~/.kube/config"
    ),
    Row("config", "a YAML file with these flags as keys"),
    Row("port", "API server port (default 6443; 0 picks a free one)", int),
    Row("bind-address", "address the API server listens on (default 0.0.0.0)"),
    Row("nodes", "real, none (control plane alone) or sim:N (N simulated nodes)"),
)
STORE = (
    Row("store", "sqlite (durable, the default), memory or etcd"),
    Row("etcd-servers", "addresses of an etcd cluster, separated by commas: http://127.0.0.1:2379"),
    Row("etcd-prefix", "put in front of /registry in every key of etcd (default: nothing)"),
    Row("etcd-cafile", "the authority that signed etcd's certificates"),
    Row("etcd-certfile", "client certificate for etcd"),
    Row("etcd-keyfile", "key of the client certificate for etcd"),
    Row("etcd-user", "user of etcd, where it asks for a login"),
    Row("etcd-password-file", "file with that user's password"),
)
NODE_AND_NETWORK = (
    Row("timeout", "seconds to wait (default 120)", float),
    Row("node-name", "the node's name (default: the host name)"),
    Row("node-ip", "the address by which other machines reach this one (default: towards the default route)"),
    Row("tls-san", "more names and addresses under which clients reach the API, separated by commas"),
    Row(
        "cluster-signing-duration",
        "the longest life of certificates that are asked for, as kube-controller-manager's flag (default 8760h)",
    ),
    Row("kubelet-port", "the kubelet's port (default 10250)", int),
    Row("http-port", "port of the ingress proxy (default 80; 0 picks a free one)", int),
    Row("https-port", "TLS port of the ingress proxy (default 443; 0 picks a free one)", int),
    Row(
        "cluster-cidr",
        "pod network (default 10.42.0.0/16); with a comma, one of IPv4 and one of IPv6",
        dest="pod_cidr",
    ),
    Row("service-cidr", "service network (default 10.43.0.0/16); two as the pod network"),
    Row(
        "service-node-port-range",
        "node ports of Services (default 30000-32767); clusters on one machine share its ports",
    ),
    Row(
        "cluster-dns", "address of the cluster DNS (default: the tenth of the service network)", dest="dns_ip"
    ),
    Row("cluster-domain", "DNS domain (default cluster.local)"),
)
CONTROL = (
    Row("controllers", "controllers to run, as kube-controller-manager's flag: '*,-NAME'"),
    Row("disable-scheduler", type=SWITCH),
    Row(
        "kube-scheduler-config",
        "a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), as kube-scheduler's --config",
    ),
    Row(
        "leader-elect",
        "of servers on one store, one runs controllers and scheduler (default: only with --store etcd)",
        boolean,
    ),
    Row("leader-elect-lease-duration", "how long the others wait for a silent leader (default 15s)"),
    Row("leader-elect-renew-deadline", "how long a leader tries to renew before it stops (default 10s)"),
    Row("leader-elect-retry-period", "time between two attempts (default 2s)"),
)
PARTS_AND_ADMISSION = (
    Row("disable-dns", type=SWITCH),
    Row("disable-ingress", type=SWITCH),
    Row("network-policy", "enforce NetworkPolicies on the node (default true)", boolean),
    Row(
        "service-load-balancer",
        "give Services of type LoadBalancer the addresses of nodes (default true)",
        boolean,
    ),
    Row("enable-admission-plugins"),
    Row("disable-admission-plugins"),
    Row("admission-control-config-file", "what admission plugins are told, as kube-apiserver's flag"),
    Row(
        "authorization-mode",
        "Node, RBAC, Webhook, AlwaysAllow, AlwaysDeny, in their order (default Node,RBAC)",
    ),
    Row("token-auth-file"),
)
RUNTIME = (
    Row("csi-controller", "sockets of CSI drivers whose controller runs here, with commas (docs/storage.md)"),
    Row("registry-config", "mirrors, TLS and logins per registry, as k3s's registries.yaml"),
    Row("container-runtime-endpoint", "CRI socket of a running runtime instead of a private containerd"),
)
REST = (
    Row("node-monitor-grace-period", "seconds without heartbeat until a node is Unknown (default 50)", float),
    Row("feature-gates", "NAME=true|false,...: upstream's gates; what this version has is fixed"),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """In the order in which `--help` lists them."""
    _add(parser, (*CLUSTER, *STORE))
    _add_wait(parser)
    _add(parser, (*NODE_AND_NETWORK, *CONTROL))
    autoscaling.add_flags(parser)
    _add(parser, PARTS_AND_ADMISSION)
    add_security_flags(parser)
    _add(parser, RUNTIME)
    node_settings.add_flags(parser)
    _add(parser, REST)
    parser.add_argument("-v", "--verbosity", type=int, help="0 (default) to 4; from 3 on a line per request")
    parser.add_argument("--logging-format", help="text (default) or json: one object per line")


def _add(parser: argparse.ArgumentParser, rows: tuple[Row, ...]) -> None:
    for row in rows:
        how: dict[str, Any] = {"help": row.help}
        if row.type is SWITCH:
            how |= {"action": "store_true", "default": None}
        elif row.type is not None:
            how["type"] = row.type
        if row.type is boolean:
            how |= {"nargs": "?", "const": True}
        if row.dest:
            how["dest"] = row.dest
        parser.add_argument(f"--{row.flag}", **how)


def _add_wait(parser: argparse.ArgumentParser) -> None:
    for flag, value, text in (
        ("--wait", True, "return when the node is Ready (default)"),
        ("--no-wait", False, "return when the API server answers"),
    ):
        parser.add_argument(flag, dest="wait", action="store_const", const=value, help=text)
