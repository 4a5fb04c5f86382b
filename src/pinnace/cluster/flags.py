"""The flags of `pinnace up` and `pinnace server`; what they mean together is `config`'s."""

import argparse

from pinnace.cluster import autoscaling, node_settings
from pinnace.cluster.config import DEFAULT_NAME
from pinnace.cluster.security import add_security_flags, boolean


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `up`, `server` and `agent`; a default of None means "not given"."""
    add = parser.add_argument
    add("--name", help=f"the cluster's name (default {DEFAULT_NAME})")
    add("--data-dir", help="where the cluster keeps its data (default /var/lib/pinnace/NAME)")
    add(
        "--kubeconfig",
        help="write only this kubeconfig file instead of merging into $KUBECONFIG or ~/.kube/config",
    )
    add("--config", help="a YAML file with these flags as keys")
    add("--port", type=int, help="API server port (default 6443; 0 picks a free one)")
    add("--bind-address", help="address the API server listens on (default 0.0.0.0)")
    add("--nodes", help="real, none (control plane alone) or sim:N (N simulated nodes)")
    add("--store", help="sqlite (durable, the default), memory or etcd")
    add("--etcd-servers", help="addresses of an etcd cluster, separated by commas: http://127.0.0.1:2379")
    add("--etcd-prefix", help="put in front of /registry in every key of etcd (default: nothing)")
    add("--etcd-cafile", help="the authority that signed etcd's certificates")
    add("--etcd-certfile", help="client certificate for etcd")
    add("--etcd-keyfile", help="key of the client certificate for etcd")
    add("--etcd-user", help="user of etcd, where it asks for a login")
    add("--etcd-password-file", help="file with that user's password")
    add(
        "--wait",
        dest="wait",
        action="store_true",
        default=None,
        help="return when the node is Ready (default)",
    )
    add(
        "--no-wait",
        dest="wait",
        action="store_false",
        default=None,
        help="return when the API server answers",
    )
    add("--timeout", type=float, help="seconds to wait (default 120)")
    add("--node-name", help="the node's name (default: the host name)")
    add(
        "--node-ip",
        help="the address by which other machines reach this one (default: towards the default route)",
    )
    add("--tls-san", help="more names and addresses under which clients reach the API, separated by commas")
    add(
        "--cluster-signing-duration",
        help="the longest life of certificates that are asked for, as kube-controller-manager's flag (default 8760h)",
    )
    add("--kubelet-port", type=int, help="the kubelet's port (default 10250)")
    add("--http-port", type=int, help="port of the ingress proxy (default 80; 0 picks a free one)")
    add("--https-port", type=int, help="TLS port of the ingress proxy (default 443; 0 picks a free one)")
    add(
        "--cluster-cidr",
        dest="pod_cidr",
        help="pod network (default 10.42.0.0/16); with a comma, one of IPv4 and one of IPv6",
    )
    add("--service-cidr", help="service network (default 10.43.0.0/16); two as the pod network")
    add(
        "--cluster-dns",
        dest="dns_ip",
        help="address of the cluster DNS (default: the tenth of the service network)",
    )
    add("--cluster-domain", help="DNS domain (default cluster.local)")
    add("--controllers", help="controllers to run, as kube-controller-manager's flag: '*,-NAME'")
    add("--disable-scheduler", action="store_true", default=None)
    add(
        "--kube-scheduler-config",
        help="a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), as kube-scheduler's --config",
    )
    add(
        "--leader-elect",
        type=boolean,
        nargs="?",
        const=True,
        help="of servers on one store, one runs controllers and scheduler (default: only with --store etcd)",
    )
    add("--leader-elect-lease-duration", help="how long the others wait for a silent leader (default 15s)")
    add(
        "--leader-elect-renew-deadline", help="how long a leader tries to renew before it stops (default 10s)"
    )
    add("--leader-elect-retry-period", help="time between two attempts (default 2s)")
    autoscaling.add_flags(parser)
    add("--disable-dns", action="store_true", default=None)
    add("--disable-ingress", action="store_true", default=None)
    add(
        "--network-policy",
        type=boolean,
        nargs="?",
        const=True,
        help="enforce NetworkPolicies on the node (default true)",
    )
    add(
        "--service-load-balancer",
        type=boolean,
        nargs="?",
        const=True,
        help="give Services of type LoadBalancer the addresses of nodes (default true)",
    )
    add("--enable-admission-plugins")
    add("--disable-admission-plugins")
    add("--admission-control-config-file", help="what admission plugins are told, as kube-apiserver's flag")
    add(
        "--authorization-mode",
        help="Node, RBAC, Webhook, AlwaysAllow, AlwaysDeny, in their order (default Node,RBAC)",
    )
    add("--token-auth-file")
    add_security_flags(parser)
    add(
        "--csi-controller",
        help="sockets of CSI drivers whose controller runs here, with commas (docs/storage.md)",
    )
    add("--registry-config", help="mirrors, TLS and logins per registry, as k3s's registries.yaml")
    add(
        "--container-runtime-endpoint", help="CRI socket of a running runtime instead of a private containerd"
    )
    node_settings.add_flags(parser)
    add(
        "--node-monitor-grace-period",
        type=float,
        help="seconds without heartbeat until a node is Unknown (default 50)",
    )
    add("--feature-gates", help="NAME=true|false,...: upstream's gates; what this version has is fixed")
    add("-v", "--verbosity", type=int, help="0 (default) to 4; from 3 on a line per request")
    add("--logging-format", help="text (default) or json: one object per line")
