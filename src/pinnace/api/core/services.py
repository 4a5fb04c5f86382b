"""Services: what a service asks for, read by controllers, proxy and DNS."""

from typing import Any

from pinnace.api.meta import Object

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
HEADLESS = "None"
DEFAULT_AFFINITY_SECONDS = 10800


def service_type(service: Object) -> str:
    return service["spec"].get("type") or CLUSTER_IP


def is_headless(service: Object) -> bool:
    return service["spec"].get("clusterIP") == HEADLESS


def cluster_ips(service: Object) -> list[str]:
    spec = service["spec"]
    return spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])


def needs_cluster_ip(service: Object) -> bool:
    """Of a type that gets a virtual address (or, headless, says that it wants none)."""
    return service_type(service) in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER)


def needs_node_port(service: Object) -> bool:
    kind = service_type(service)
    if kind == LOAD_BALANCER:
        return service["spec"].get("allocateLoadBalancerNodePorts") is not False
    return kind == NODE_PORT


def is_external(service: Object) -> bool:
    """Reachable from outside the cluster."""
    return service_type(service) in (NODE_PORT, LOAD_BALANCER) or bool(service["spec"].get("externalIPs"))


def ports(service: Object) -> list[dict[str, Any]]:
    return service["spec"].get("ports") or []


def node_ports(service: Object) -> list[int]:
    return [port["nodePort"] for port in ports(service) if port.get("nodePort")]


def selector(service: Object) -> dict[str, str]:
    return service["spec"].get("selector") or {}


def publishes_not_ready(service: Object) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))
