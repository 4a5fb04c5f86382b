"""What the proxy knows of Services and EndpointSlices, reduced to what rules are made of. Pure.

Every address is parsed here, because it becomes part of a program for the kernel: what is not an IPv4 address (or range)
never reaches the rules, whoever wrote the object.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pinnace.api.names import is_ipv4
from pinnace.proxy.health_checks import HealthCheck

Object = dict[str, Any]
PROTOCOLS = ("TCP", "UDP", "SCTP")
DEFAULT_AFFINITY_SECONDS = 10800
NOBODY = "255.255.255.255/32"  # a source that no packet has


@dataclass(frozen=True, slots=True)
class Endpoint:
    ip: str
    port: int
    is_local: bool


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that leads to one pod on it. `host_ip` is "" for every address of the node."""

    namespace: str
    pod: str
    pod_ip: str
    protocol: str  # tcp | udp | sctp
    port: int
    host_port: int
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service: everything that its rules depend on."""

    namespace: str
    service: str
    port_name: str
    protocol: str  # tcp | udp | sctp
    port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...] = ()  # spec.externalIPs and load balancer addresses
    node_port: int = 0
    affinity_seconds: int = 0
    internal_local: bool = False  # internalTrafficPolicy: Local
    external_local: bool = False  # externalTrafficPolicy: Local
    source_ranges: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    near: tuple[
        Endpoint, ...
    ] = ()  # those that hints give to this node or its zone; () when hints decide nothing

    @property
    def label(self) -> str:
        """`namespace/service/protocol/port`, as comments and chain names carry it."""
        return f"{self.namespace}/{self.service}/{self.protocol}/{self.port_name or self.port}"

    def for_cluster(self) -> tuple[Endpoint, ...]:
        local = tuple(e for e in self.endpoints if e.is_local)
        return local if self.internal_local else self.near or self.endpoints

    def for_outside(self) -> tuple[Endpoint, ...]:
        local = tuple(e for e in self.endpoints if e.is_local)
        return local if self.external_local else self.near or self.endpoints


def service_ports(
    service: Object, slices: Iterable[Object], node_name: str, zone: str = ""
) -> tuple[ServicePort, ...]:
    """The ports to make rules for; none for headless and ExternalName Services, and for those of other proxies."""
    spec, metadata = service.get("spec") or {}, service["metadata"]
    addresses = tuple(ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP")] if ip and is_ipv4(ip))
    skip = "service.kubernetes.io/service-proxy-name" in (metadata.get("labels") or {})
    if not addresses or spec.get("type") == "ExternalName" or skip:
        return ()
    slices = list(slices)
    near = near_addresses(slices, node_name, zone)
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    sticky = (
        config.get("timeoutSeconds", DEFAULT_AFFINITY_SECONDS)
        if spec.get("sessionAffinity") == "ClientIP"
        else 0
    )
    return tuple(
        ServicePort(
            namespace=metadata["namespace"],
            service=metadata["name"],
            port_name=port.get("name", ""),
            protocol=port.get("protocol", "TCP").lower(),
            port=port["port"],
            cluster_ips=addresses,
            external_ips=_outside_addresses(service),
            node_port=port.get("nodePort", 0),
            affinity_seconds=sticky,
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=spec.get("externalTrafficPolicy") == "Local",
            source_ranges=_source_ranges(spec),
            endpoints=(found := _endpoints(slices, port, node_name)),
            near=tuple(endpoint for endpoint in found if endpoint.ip in near),
        )
        for port in spec.get("ports") or ()
    )


def health_check(service: Object, slices: Iterable[Object], node_name: str) -> HealthCheck | None:
    """For load balancers that must find the nodes with endpoints; None for every other Service."""
    spec, metadata = service.get("spec") or {}, service["metadata"]
    port = spec.get("healthCheckNodePort")
    if not port or spec.get("externalTrafficPolicy") != "Local":
        return None
    local = {
        endpoint["addresses"][0]
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        if endpoint.get("nodeName") == node_name
        and (endpoint.get("conditions") or {}).get("ready") is not False
    }
    return HealthCheck(metadata["namespace"], metadata["name"], port, len(local))


def host_ports(pod: Object) -> tuple[HostPort, ...]:
    """The host ports of a running pod that has a network of its own."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    address = status.get("podIP", "")
    if spec.get("hostNetwork") or not is_ipv4(address) or status.get("phase") in ("Succeeded", "Failed"):
        return ()
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return tuple(
        HostPort(
            pod["metadata"]["namespace"], pod["metadata"]["name"], address, port.get("protocol", "TCP").lower(),
            port["containerPort"], port["hostPort"], "" if port.get("hostIP") in (None, "0.0.0.0") else port["hostIP"],
        )
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort") and is_ipv4(port.get("hostIP") or "0.0.0.0")
    )  # fmt: skip


def _outside_addresses(service: Object) -> tuple[str, ...]:
    spec = service.get("spec") or {}
    found = list(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        found += [entry["ip"] for entry in ingress if entry.get("ip") and entry.get("ipMode") != "Proxy"]
    return tuple(ip for ip in dict.fromkeys(found) if is_ipv4(ip))


def _source_ranges(spec: Object) -> tuple[str, ...]:
    """The IPv4 ranges that may come through a load balancer; one that admits nobody when all are of the other family."""
    given = spec.get("loadBalancerSourceRanges") or ()
    if not given or spec.get("type") != "LoadBalancer":
        return ()
    found = []
    for text in given:
        try:
            found.append(ipaddress.IPv4Network(text.strip(), strict=False))
        except ValueError:
            continue
    # nft refuses ranges that overlap
    return tuple(str(network) for network in ipaddress.collapse_addresses(found)) or (NOBODY,)


def _endpoints(slices: Iterable[Object], port: Object, node_name: str) -> tuple[Endpoint, ...]:
    """Ready endpoints; when there are none, those that still serve while terminating."""
    name, protocol = port.get("name", ""), port.get("protocol", "TCP")
    ready: dict[tuple[str, int], Endpoint] = {}
    terminating: dict[tuple[str, int], Endpoint] = {}
    for piece in slices:
        if piece.get("addressType") != "IPv4":
            continue
        numbers = [
            p["port"] for p in piece.get("ports") or ()
            if p.get("port") and p.get("name", "") == name and p.get("protocol", "TCP") == protocol
        ]  # fmt: skip
        for endpoint in piece.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            is_ready = conditions.get("ready") is not False
            still_serves = bool(conditions.get("serving") and conditions.get("terminating"))
            if not (is_ready or still_serves):
                continue
            target = ready if is_ready else terminating
            for number in numbers:
                ip = endpoint["addresses"][0]
                if not is_ipv4(ip):
                    continue
                target[ip, number] = Endpoint(ip, number, endpoint.get("nodeName") == node_name)
    chosen = ready or terminating
    return tuple(chosen[key] for key in sorted(chosen))


def near_addresses(slices: Iterable[Object], node_name: str, zone: str) -> frozenset[str]:
    """Ready endpoints that their hints give to this node, else to its zone; none unless every ready one has such hints.

    https://github.com/kubernetes/kubernetes/blob/master/pkg/proxy/topology.go
    """
    ready = [
        endpoint
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    ]
    for kind, mine in (("forNodes", node_name), ("forZones", zone)):
        hinted = [
            {hint["name"] for hint in (endpoint.get("hints") or {}).get(kind) or ()} for endpoint in ready
        ]
        if mine and all(hinted):
            near = [e["addresses"][0] for e, names in zip(ready, hinted, strict=True) if mine in names]
            if near:
                return frozenset(near)
    return frozenset()
