"""The service `kubernetes` in the namespace default, through which pods reach this API server, and its endpoints."""

import ipaddress
import socket
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pinnace.api import conditions
from pinnace.api import resources as r
from pinnace.api.networking import ipaddresses, servicecidrs
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.config import ApiServerConfig

Object = dict[str, Any]
NAME = "kubernetes"
_LABELS = {"component": "apiserver", "provider": "kubernetes"}


def advertised_address(config: ApiServerConfig) -> str:
    """What pods connect to: configured, else the bind address, else the address of the default route."""
    if config.advertise_address:
        return config.advertise_address
    if not ipaddress.ip_address(config.bind_address).is_unspecified:
        return config.bind_address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks for the route
            address: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
        return address


def service(cidr: str, port: int) -> Object:
    network = ipaddress.ip_network(cidr)
    address = str(network.network_address + 1)
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": NAME, "namespace": "default", "labels": dict(_LABELS)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": [f"IPv{network.version}"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
        },
        "status": {"loadBalancer": {}},
    }


def service_cidr(cidrs: tuple[str, ...], now: datetime) -> Object:
    """The default range, as the flag has it."""
    ready = conditions.set_condition(
        (), servicecidrs.READY, "True", "", "Kubernetes default Service CIDR is ready", now=now
    )
    return {
        "kind": "ServiceCIDR",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": servicecidrs.DEFAULT_NAME, "finalizers": [servicecidrs.FINALIZER]},
        "spec": {"cidrs": list(cidrs)},
        "status": {"conditions": [{**ready[0], "reason": ""}]},
    }


def address_of(own: Object) -> Object:
    """The object that keeps the address of this service."""
    metadata = own["metadata"]
    address = ipaddress.ip_address(own["spec"]["clusterIP"])
    return ipaddresses.of_service(address, metadata["namespace"], metadata["name"])


def endpoints(address: str, port: int) -> Iterator[tuple[GVR, Object]]:
    """Endpoints and EndpointSlice; the mirroring controller must leave both alone."""
    entry = {"name": "https", "port": port, "protocol": "TCP"}
    skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    yield (
        r.ENDPOINTS,
        {
            "kind": "Endpoints",
            "apiVersion": "v1",
            "metadata": {"name": NAME, "namespace": "default", "labels": skip},
            "subsets": [{"addresses": [{"ip": address}], "ports": [dict(entry)]}],
        },
    )
    yield (
        r.ENDPOINT_SLICES,
        {
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": NAME,
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": NAME},
            },
            "addressType": f"IPv{ipaddress.ip_address(address).version}",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [dict(entry)],
        },
    )
