"""Built-in service load balancer: Services of type LoadBalancer get the addresses of nodes, and the service proxy of each node answers there.

Nothing is created for it, so that nothing has to be cleaned up: no finalizer. Events and texts are those of upstream's service
controller, which does this for clouds:
https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/cloud-provider/controllers/service/controller.go
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from pinnace.api import meta, names
from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.api.resources import ENDPOINT_SLICES, NODES, SERVICES
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Emit, RequeueAfter, SetStatus, World, indexes

CLASS = "pinnace.dev/node"  # Services that name no class are served as well
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
GOING = "ToBeDeletedByClusterAutoscaler"
SERVICE_LABEL = "kubernetes.io/service-name"
LISTENER_SECONDS = 60.0  # until a port that a program has is looked at again
Port = tuple[str, int]  # protocol, number


@dataclass(frozen=True, slots=True)
class ServiceBalancerConfig:
    """`reserved`: ports of the nodes that something else needs, and what that is. `listener`: the program that listens on a port
    of the machine this runs on ("" for none): who has SSH there would lose it, and machines are set up alike."""

    reserved: Mapping[Port, str] = field(default_factory=dict)
    listener: Callable[[str, int], str] = lambda protocol, port: ""


def reconcile(service: Object, world: World, config: ServiceBalancerConfig) -> Iterator[Action]:
    held = _held(service)
    if service["spec"].get("type") != "LoadBalancer":
        if held:
            yield Emit(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
            yield _status(service, ())
            yield Emit(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
        return
    if not is_ours(service) or meta.is_terminating(service):
        return
    candidates = list(dict.fromkeys(_candidates(service, world)))  # two nodes may say one address
    free, problem = _free(service, candidates, world, config)
    if not held and free:
        yield Emit(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
    if free != held:
        yield _status(service, free)
    if free and not held:
        yield Emit(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
    elif free and free != held:
        yield Emit(service, "Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts")
    elif problem:
        message = f"Error syncing load balancer: failed to ensure load balancer: {problem}"
        yield Emit(service, "Warning", "SyncLoadBalancerFailed", message)
        if _listener(service, config):
            yield RequeueAfter(LISTENER_SECONDS)  # nobody tells when a program ends
    elif not any(map(_takes_part, world.all(NODES))):
        yield Emit(
            service, "Warning", "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer"
        )


def is_ours(service: Object) -> bool:
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and (spec.get("loadBalancerClass") or CLASS) == CLASS


def _held(service: Object) -> tuple[str, ...]:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return tuple(entry.get("ip") or entry.get("hostname") or "" for entry in ingress)


def _status(service: Object, addresses: Iterable[str]) -> SetStatus:
    """VIP: the proxy takes over what is sent to these addresses, also inside the cluster."""
    ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
    return SetStatus(service, {**service["status"], "loadBalancer": {"ingress": ingress} if ingress else {}})


def _candidates(service: Object, world: World) -> Iterator[str]:
    """Addresses of the nodes that take part, sorted by node, in the Service's order of families."""
    hosts = sorted(filter(_takes_part, world.all(NODES)), key=meta.name)
    if service["spec"].get("externalTrafficPolicy") == "Local":
        with_endpoints = _nodes_with_endpoints(service, world)
        hosts = [node for node in hosts if meta.name(node) in with_endpoints]
    wish = service["spec"].get("loadBalancerIP")
    for family in service["spec"].get("ipFamilies") or ["IPv4"]:
        for node in hosts:
            address = _address(node, family)
            if address and (not wish or wish == address):
                yield address


def _takes_part(node: Object) -> bool:
    is_out = EXCLUDED in meta.labels(node) or any(taint["key"] == GOING for taint in nodes.taints(node))
    return nodes.is_ready(node) and not is_out


def _address(node: Object, family: str) -> str:
    """Its external address, else its internal one."""
    found = (node.get("status") or {}).get("addresses") or ()
    for kind in ("ExternalIP", "InternalIP"):
        for entry in found:
            address = entry.get("address") or ""  # nodes write what they like
            if (
                entry.get("type") == kind
                and not names.ip_address(address)
                and (":" in address) == (family == "IPv6")
            ):
                return address
    return ""


def _nodes_with_endpoints(service: Object, world: World) -> set[str]:
    return {
        endpoint.get("nodeName", "")
        for piece in world.by_index(ENDPOINT_SLICES, indexes.SERVICE, meta.key(service))
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    }


def ports_of(service: Object) -> list[Port]:
    return [(port.get("protocol") or "TCP", port["port"]) for port in service["spec"].get("ports") or ()]


def _free(
    service: Object, candidates: list[str], world: World, config: ServiceBalancerConfig
) -> tuple[tuple[str, ...], str]:
    """The addresses where no port of the Service belongs to somebody else, and what is in the way when there is none."""
    for protocol, number in ports_of(service):
        if (protocol, number) in config.reserved:
            user = config.reserved[protocol, number]
            return (), f"port {number}/{protocol} of the nodes is used by {user}"
    if not _held(service) and (problem := _listener(service, config)):
        return (), problem
    wish = service["spec"].get("loadBalancerIP")
    if wish and not candidates and not any(wish in _addresses(node) for node in world.all(NODES)):
        return (), f"loadBalancerIP {wish} is not an address of a node"
    taken: dict[str, str] = {}
    for port in ports_of(service):
        for other in world.by_index(SERVICES, indexes.BALANCED_PORT, port):
            if meta.uid(other) == meta.uid(service) or not is_ours(other) or meta.is_terminating(other):
                continue
            theirs = set(_candidates(other, world))
            user = f"port {port[1]}/{port[0]} of the nodes is used by service {meta.namespace(other)}/{meta.name(other)}"
            taken |= {a: user for a in candidates if a in theirs and _goes_first(other, service, a)}
    free = tuple(address for address in candidates if address not in taken)
    return free, next(iter(taken.values()), "") if not free else ""


def _listener(service: Object, config: ServiceBalancerConfig) -> str:
    for protocol, number in ports_of(service):
        if program := config.listener(protocol, number):
            return f"port {number}/{protocol} of the nodes is used by {program}"
    return ""


def _goes_first(other: Object, service: Object, address: str) -> bool:
    """Who has the address keeps it; of two that have it, or have not, the older one."""
    theirs, ours = address in _held(other), address in _held(service)
    return _age(other) < _age(service) if theirs == ours else theirs


def _age(service: Object) -> tuple[str, str, str]:
    return service["metadata"].get("creationTimestamp") or "", meta.namespace(service), meta.name(service)


def _addresses(node: Object) -> set[str]:
    return {entry.get("address") or "" for entry in (node.get("status") or {}).get("addresses") or ()}


def _concerns(old: Object | None, new: Object) -> bool:
    if old is None or (old["spec"], _held(old)) != (new["spec"], _held(new)):
        return new["spec"].get("type") == "LoadBalancer" or bool(_held(new))
    return False


def sharing_a_port(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Services that may have waited for what this one had."""
    for service in (old, new):
        if service is None or service["spec"].get("type") != "LoadBalancer":
            continue
        for port in ports_of(service):
            for other in world.by_index(SERVICES, indexes.BALANCED_PORT, port):
                if meta.uid(other) != meta.uid(service):
                    yield meta.key(other)


def of_slice(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    for piece in (old, new):
        name = meta.labels(piece).get(SERVICE_LABEL) if piece is not None else None
        service = world.get(SERVICES, name, meta.namespace(piece)) if piece is not None and name else None
        if (
            service is not None
            and service["spec"].get("externalTrafficPolicy") == "Local"
            and is_ours(service)
        ):
            yield meta.key(service)


def of_node(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Everybody, when a node came, went, changed its addresses or whether it takes part."""
    before, after = ((_takes_part(node), _addresses(node)) if node else None for node in (old, new))
    if before != after:
        yield from (meta.key(service) for service in world.all(SERVICES) if is_ours(service))


def controller(config: ServiceBalancerConfig) -> Controller:
    return Controller(
        name="service-lb",
        source="service-controller",
        primary=SERVICES,
        reconcile=partial(reconcile, config=config),
        watches={SERVICES: sharing_a_port, ENDPOINT_SLICES: of_slice, NODES: of_node},
        concerns=_concerns,
        workers=1,  # two that want one port are asked one after the other
    )
