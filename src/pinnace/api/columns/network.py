"""Columns of Services, Endpoints, EndpointSlices, Ingresses and IngressClasses."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pinnace.api.columns.table import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    TableDef,
    age,
    joined,
    labels_text,
    name,
    wide,
)
from pinnace.api.core import services
from pinnace.api.meta import Object

SHOWN = 3


def shortened(values: Sequence[str], total: int | None = None) -> str:
    """The first three and how many more there are."""
    more = (len(values) if total is None else total) - SHOWN
    text = ",".join(values[:SHOWN])
    return f"{text} + {more} more..." if more > 0 else text


def _load_balancer(obj: Object) -> list[str]:
    """Addresses in the status of a Service or Ingress."""
    entries = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    found = [entry.get("ip") or entry.get("hostname") or "" for entry in entries]
    return [text for text in found if text]


# -- services ---------------------------------------------------------------------------------------------------
def external_ip(service: Object) -> str:
    """The EXTERNAL-IP cell."""
    spec = service["spec"]
    own: list[str] = spec.get("externalIPs") or []
    match services.service_type(service):
        case services.LOAD_BALANCER:
            given = _load_balancer(service)
            return joined([*given, *own], "<pending>")
        case services.EXTERNAL_NAME:
            return spec.get("externalName", "")
    return joined(own)


def _port(port: dict[str, Any]) -> str:
    middle = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{middle}/{port.get('protocol', 'TCP')}"


def _service(obj: Object, now: datetime) -> list[Cell]:
    addresses = services.cluster_ips(obj)
    return [
        name(obj),
        services.service_type(obj),
        addresses[0] if addresses else NONE,
        external_ip(obj),
        joined([_port(port) for port in services.ports(obj)]),
        age(obj, now),
        labels_text(services.selector(obj)),
    ]


# -- endpoints --------------------------------------------------------------------------------------------------
def _with_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _endpoints(obj: Object, now: datetime) -> list[Cell]:
    listed: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [entry.get("ip", "") for entry in subset.get("addresses") or ()]
        if not subset.get("ports"):
            listed += addresses
        for port in subset.get("ports") or ():
            listed += [_with_port(ip, port.get("port", 0)) for ip in addresses]
    text = shortened(listed) if obj.get("subsets") else NONE
    return [name(obj), text, age(obj, now)]


def _endpoint_slice(obj: Object, now: datetime) -> list[Cell]:
    ports = ["*" if port.get("port") is None else str(port["port"]) for port in obj.get("ports") or ()]
    addresses = [ip for endpoint in obj.get("endpoints") or () for ip in endpoint.get("addresses") or ()]
    return [
        name(obj),
        obj.get("addressType", ""),
        shortened(ports) or UNSET,
        shortened(addresses) or UNSET,
        age(obj, now),
    ]


# -- ingresses --------------------------------------------------------------------------------------------------
def _ingress(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    rules = spec.get("rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    return [
        name(obj),
        spec.get("ingressClassName") or NONE,
        shortened(hosts, len(rules) if len(hosts) > SHOWN else len(hosts)) or "*",
        ",".join(_load_balancer(obj)),
        "80, 443" if spec.get("tls") else "80",
        age(obj, now),
    ]


def _ingress_class(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    parameters = spec.get("parameters")
    text = NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        text = f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"
    return [name(obj), spec.get("controller", ""), text, age(obj, now)]


SERVICES = TableDef(
    (
        NAME,
        Column(
            "Type",
            description="How the service is exposed: ClusterIP, NodePort, LoadBalancer or ExternalName.",
        ),
        Column("Cluster-IP", description="The virtual address inside the cluster."),
        Column("External-IP", description="Addresses from outside the cluster."),
        Column("Port(s)", description="Ports that the service listens on, with the port on each node."),
        AGE,
        wide("Selector", "Labels of the pods that the service sends traffic to."),
    ),
    _service,
)
ENDPOINTS = TableDef(
    (NAME, Column("Endpoints", description="Addresses with ports that are ready."), AGE), _endpoints
)
ENDPOINT_SLICES = TableDef(
    (
        NAME,
        Column("AddressType", description="What the addresses are: IPv4, IPv6 or FQDN."),
        Column("Ports", description="Ports of every endpoint in the slice."),
        Column("Endpoints", description="Addresses in the slice."),
        AGE,
    ),
    _endpoint_slice,
)
INGRESSES = TableDef(
    (
        NAME,
        Column(
            "Class",
            description="The name of the IngressClass resource that should be used for additional configuration",
        ),
        Column(
            "Hosts", description="Hosts that incoming requests are matched against before the ingress rule"
        ),
        Column("Address", description="Address is a list containing ingress points for the load-balancer"),
        Column("Ports", description="Ports of TLS configurations that open"),
        AGE,
    ),
    _ingress,
)
INGRESS_CLASSES = TableDef(
    (
        NAME,
        Column("Controller", description="Controller that is responsible for handling this class"),
        Column("Parameters", description="A reference to a resource with additional parameters"),
        AGE,
    ),
    _ingress_class,
)
