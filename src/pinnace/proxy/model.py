"""What the proxy knows of Services, EndpointSlices and pods, reduced to what rules of one family are made of. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pinnace.proxy.families import IPV4, Family
from pinnace.proxy.health_checks import HealthCheck

Object = dict[str, Any]
DEFAULT_AFFINITY_SECONDS = 10800
PROXY_NAME = "service.kubernetes.io/service-proxy-name"


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
    external_ips: tuple[str, ...] = ()
    balancer_ips: tuple[str, ...] = ()
    node_port: int = 0
    affinity_seconds: int = 0
    internal_local: bool = False  # internalTrafficPolicy: Local
    external_local: bool = False  # externalTrafficPolicy: Local
    source_ranges: tuple[str, ...] = ()  # who may come to the load balancer's addresses; () for everybody
    endpoints: tuple[Endpoint, ...] = ()  # for the policy Cluster: near ones, when hints say so
    local: tuple[Endpoint, ...] = ()  # for the policy Local: those of this node
    draining: frozenset[str] = (
        frozenset()
    )  # endpoints that end and still serve: they keep the flows they have

    @property
    def label(self) -> str:
        """`namespace/service/protocol/port`, as comments and chain names carry it."""
        return f"{self.namespace}/{self.service}/{self.protocol}/{self.port_name or self.port}"

    @property
    def outside_ips(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.external_ips, *self.balancer_ips)))

    @property
    def is_anywhere(self) -> bool:
        """Whether any node has an endpoint, so that a node without one says nothing instead of refusing."""
        return bool(self.endpoints or self.local)

    def for_cluster(self) -> tuple[Endpoint, ...]:
        return self.local if self.internal_local else self.endpoints

    def for_outside(self) -> tuple[Endpoint, ...]:
        return self.local if self.external_local else self.endpoints


def service_ports(
    service: Object, slices: Iterable[Object], node_name: str, zone: str = "", family: Family = IPV4
) -> tuple[ServicePort, ...]:
    """The ports to make rules for; none for headless and ExternalName Services, and for those of other proxies."""
    spec, metadata = service.get("spec") or {}, service["metadata"]
    addresses = family.addresses(spec.get("clusterIPs") or [spec.get("clusterIP")])
    skip = PROXY_NAME in (metadata.get("labels") or {})
    if not addresses or spec.get("type") == "ExternalName" or skip:
        return ()
    slices = [piece for piece in slices if piece.get("addressType") == family.name]
    near = frozenset(map(family.address, near_addresses(slices, node_name, zone)))
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    sticky = spec.get("sessionAffinity") == "ClientIP"
    found = []
    for port in spec.get("ports") or ():
        ready, ending = _endpoints(slices, port, node_name, family)
        close = tuple(endpoint for endpoint in ready if endpoint.ip in near)
        found.append(
            ServicePort(
                namespace=metadata["namespace"],
                service=metadata["name"],
                port_name=port.get("name", ""),
                protocol=port.get("protocol", "TCP").lower(),
                port=port["port"],
                cluster_ips=addresses,
                external_ips=family.addresses(spec.get("externalIPs") or ()),
                balancer_ips=_balancer_addresses(service, family),
                node_port=port.get("nodePort", 0),
                affinity_seconds=config.get("timeoutSeconds", DEFAULT_AFFINITY_SECONDS) if sticky else 0,
                internal_local=spec.get("internalTrafficPolicy") == "Local",
                external_local=spec.get("externalTrafficPolicy") == "Local",
                source_ranges=_source_ranges(spec, family),
                endpoints=close or ready or ending,
                local=_local(ready) or _local(ending),
                draining=frozenset(endpoint.ip for endpoint in ending),
            )
        )
    return tuple(found)


def _local(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(endpoint for endpoint in endpoints if endpoint.is_local)


def health_check(service: Object, slices: Iterable[Object], node_name: str) -> HealthCheck | None:
    """For load balancers that must find the nodes with endpoints; None for every other Service."""
    spec, metadata = service.get("spec") or {}, service["metadata"]
    port = spec.get("healthCheckNodePort")
    if not port or spec.get("externalTrafficPolicy") != "Local" or spec.get("type") != "LoadBalancer":
        return None
    local = {
        _identity(endpoint)
        for piece in slices
        for endpoint in piece.get("endpoints") or ()
        if endpoint.get("nodeName") == node_name
        and (endpoint.get("conditions") or {}).get("ready") is not False
    }
    return HealthCheck(metadata["namespace"], metadata["name"], port, len(local))


def _identity(endpoint: Object) -> str:
    """A pod counts once, also when it has an address of each family."""
    return (endpoint.get("targetRef") or {}).get("uid") or endpoint["addresses"][0]


def host_ports(pod: Object, family: Family = IPV4) -> tuple[HostPort, ...]:
    """The host ports of a running pod that has a network of its own."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    ports = [port for one in containers for port in one.get("ports") or () if port.get("hostPort")]
    if not ports or spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return ()
    listed = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    addresses = family.addresses(listed)
    if not addresses:
        return ()
    found = []
    for port in ports:
        wish = port.get("hostIP") or family.anything
        address = family.address(wish)
        if not address:
            continue
        found.append(
            HostPort(
                pod["metadata"]["namespace"], pod["metadata"]["name"], addresses[0], port.get("protocol", "TCP").lower(),
                port["containerPort"], port["hostPort"], "" if address == family.anything else address,
            )
        )  # fmt: skip
    return tuple(found)


def _balancer_addresses(service: Object, family: Family) -> tuple[str, ...]:
    if (service.get("spec") or {}).get("type") != "LoadBalancer":
        return ()
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return family.addresses(entry.get("ip") for entry in ingress if entry.get("ipMode") != "Proxy")


def _source_ranges(spec: Object, family: Family) -> tuple[str, ...]:
    """The ranges that may come through a load balancer; one that admits nobody when all are of the other family."""
    given = spec.get("loadBalancerSourceRanges") or ()
    if not given or spec.get("type") != "LoadBalancer":
        return ()
    return family.ranges(given) or (family.nobody,)


Endpoints = tuple[Endpoint, ...]


def _endpoints(
    slices: Iterable[Object], port: Object, node_name: str, family: Family
) -> tuple[Endpoints, Endpoints]:
    """Those that are ready, and those that still serve while they terminate."""
    name, protocol = port.get("name", ""), port.get("protocol", "TCP")
    ready: dict[tuple[str, int], Endpoint] = {}
    terminating: dict[tuple[str, int], Endpoint] = {}
    for piece in slices:
        numbers = [
            p["port"] for p in piece.get("ports") or ()
            if p.get("port") and p.get("name", "") == name and p.get("protocol", "TCP") == protocol
        ]  # fmt: skip
        for endpoint in piece.get("endpoints") or ():
            conditions = endpoint.get("conditions") or {}
            is_ready = conditions.get("ready") is not False
            still_serves = bool(conditions.get("serving") and conditions.get("terminating"))
            ip = family.address(endpoint["addresses"][0])
            if not ip or not (is_ready or still_serves):
                continue
            target = ready if is_ready else terminating
            for number in numbers:
                target[ip, number] = Endpoint(ip, number, endpoint.get("nodeName") == node_name)
    return tuple(ready[key] for key in sorted(ready)), tuple(terminating[key] for key in sorted(terminating))


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
