"""What the built-in service load balancer must leave alone on the nodes; `--service-load-balancer=false` turns it off."""

from typing import TYPE_CHECKING

from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.decide import node_addresses
from pinnace.cluster.listeners import listener

if TYPE_CHECKING:
    from pinnace.controllers.service_balancer import ServiceBalancerConfig


def settings(config: ClusterConfig) -> "ServiceBalancerConfig | None":
    """None when it is off."""
    from pinnace.controllers.service_balancer import ServiceBalancerConfig

    if not config.service_load_balancer:
        return None
    reserved = {("TCP", config.port or 0): "the API server (--port)"}
    if config.has_real_node:
        reserved["TCP", config.kubelet_port or 10250] = "the kubelet (--kubelet-port)"
        if not config.disable_ingress:
            reserved["TCP", config.http_port or 0] = "the ingress proxy (--http-port, --disable-ingress)"
            reserved["TCP", config.https_port or 0] = "the ingress proxy (--https-port, --disable-ingress)"
    reserved = {port: user for port, user in reserved.items() if port[1]}
    if not config.has_real_node:
        return ServiceBalancerConfig(reserved)
    own = node_addresses(config)
    return ServiceBalancerConfig(reserved, lambda protocol, port: listener(protocol, port, own))
