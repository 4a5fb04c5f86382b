"""EndpointSlice controller: a Service's backends in slices of at most 100, changed as little as possible.

Hints come from `trafficDistribution`, or in proportion to the zones' cpu from `endpointslice_topology`.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.core.services import publishes_not_ready
from pinnace.api.meta import Object
from pinnace.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from pinnace.client.informer import Key
from pinnace.controllers import endpointslice_topology as topology
from pinnace.controllers import service_backends as backends
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Create,
    Delete,
    Emit,
    Update,
    World,
    controller_ref,
    indexes,
    pods,
)

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
ZONE = topology.ZONE
PER_SLICE = 100

PortKey = tuple[tuple[str, int, str, str], ...]


def reconcile(service: Object, world: World) -> Iterator[Action]:
    if not backends.has_backends(service) or meta.is_terminating(service):
        return
    found = backends.backing_pods(service, world)
    existing = [
        s
        for s in world.by_index(ENDPOINT_SLICES, indexes.SERVICE, meta.key(service))
        if meta.labels(s).get(MANAGED_BY) == MANAGER and not meta.is_terminating(s)
    ]
    trigger = backends.trigger_time(service, found)
    for family in backends.families(service):
        wanted = wanted_endpoints(service, found, family, world)
        mine = [s for s in existing if s["addressType"] == family]
        yield from lay_out(service, family, wanted, mine, trigger, world)
    for leftover in existing:
        if leftover["addressType"] not in backends.families(service):
            yield Delete(leftover)


def wanted_endpoints(
    service: Object, found: list[Object], family: str, world: World
) -> dict[PortKey, dict[str, Object]]:
    """Per set of ports: pod uid -> endpoint. A pod whose node is unknown is shown only when unready ones are, too."""
    groups: dict[PortKey, dict[str, Object]] = defaultdict(dict)
    for pod in found:
        address = backends.address_of(pod, family)
        node = world.get(NODES, pods.node_name(pod))
        if address is None or (node is None and not publishes_not_ready(service)):
            continue
        ports = backends.endpoint_ports(service, pod)
        if ports or not service["spec"].get("ports"):
            groups[port_key(ports)][meta.uid(pod)] = endpoint(service, pod, address, node)
    return groups


def port_key(ports: list[Object]) -> PortKey:
    return tuple(
        sorted((p.get("name") or "", p["port"], p["protocol"], p.get("appProtocol", "")) for p in ports)
    )


def ports_of(key: PortKey) -> list[Object]:
    return [
        {"name": name, "port": number, "protocol": protocol, **({"appProtocol": app} if app else {})}
        for name, number, protocol, app in key
    ]


def endpoint(service: Object, pod: Object, address: str, node: Object | None) -> Object:
    serving, terminating = pods.is_ready(pod), meta.is_terminating(pod)
    ready = publishes_not_ready(service) or (serving and not terminating)
    entry: Object = {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": backends.target_reference(pod),
    }
    if name := pods.node_name(pod):
        entry["nodeName"] = name
    if node is not None and (zone := meta.labels(node).get(ZONE)):
        entry["zone"] = zone
    if name := backends.hostname(service, pod):
        entry["hostname"] = name
    if ready and (hints := hints_of(service, entry)):
        entry["hints"] = hints
    return entry


def hints_of(service: Object, entry: Object) -> Object:
    """Who should use this endpoint, by the Service's `trafficDistribution`: its zone, or its node before that."""
    distribution = service["spec"].get("trafficDistribution")
    if not distribution or topology.is_asked(service):
        return {}
    hints: Object = {}
    if distribution == "PreferSameNode" and entry.get("nodeName"):
        hints["forNodes"] = [{"name": entry["nodeName"]}]
    if entry.get("zone"):
        hints["forZones"] = [{"name": entry["zone"]}]
    return hints


@dataclass(slots=True)
class _Draft:
    """One slice on its way: `source` is the stored one, None for a new one."""

    ports: PortKey
    source: Object | None = None
    endpoints: list[Object] = field(default_factory=list)


def lay_out(
    service: Object,
    family: str,
    wanted: dict[PortKey, dict[str, Object]],
    existing: list[Object],
    trigger: str,
    world: World,
) -> Iterator[Action]:
    """Keep endpoints where they are, fill the gaps, open new slices for the rest; an empty Service keeps one empty slice."""
    drafts, spare = _kept(wanted, existing)
    for ports, rest in wanted.items():
        _place(ports, list(rest.values()), drafts)
    filled = [draft for draft in drafts if draft.endpoints]
    emptied = [draft.source for draft in drafts if not draft.endpoints and draft.source] + spare
    if not filled:
        filled = [_Draft((), emptied.pop() if emptied else None)]
    yield from _by_topology(service, family, filled, world)
    for draft in filled:
        yield from _write(service, family, draft, trigger)
    for slice_ in emptied:
        yield Delete(slice_)


def _by_topology(service: Object, family: str, drafts: list[_Draft], world: World) -> Iterator[Action]:
    """Hints for the drafts, if the Service asks for them; and what is to be said when that begins or ends."""
    fact = ("topology hints", meta.key(service))
    if not topology.is_asked(service):
        if world.remembers(fact):
            world.forget(fact)
            why = f"{topology.DISABLED}, addressType: {family}"
            yield Emit(service, "Warning", "TopologyAwareHintsDisabled", why)
        return
    fresh, unchanged = [], []
    for draft in drafts:
        stored = (draft.source or {}).get("endpoints") or []
        bare = [{key: value for key, value in entry.items() if key != "hints"} for entry in stored]
        if draft.source is not None and bare == draft.endpoints:
            draft.endpoints = list(stored)
            unchanged.append(draft.endpoints)
        else:
            fresh.append(draft.endpoints)
    why = topology.distribute(fresh, unchanged, topology.cpu_shares(world.all(NODES)))
    if why:
        world.forget(fact)
        yield Emit(service, "Warning", "TopologyAwareHintsDisabled", f"{why}, addressType: {family}")
    elif not world.remembers(fact):
        world.remember(fact)
        text = f"{topology.ENABLED}, addressType: {family}"
        yield Emit(service, "Normal", "TopologyAwareHintsEnabled", text)


def _kept(
    wanted: dict[PortKey, dict[str, Object]], existing: list[Object]
) -> tuple[list[_Draft], list[Object]]:
    """Drafts of the slices whose ports are still wanted, and the other slices. Takes what is placed out of `wanted`."""
    drafts, spare = [], []
    for slice_ in sorted(existing, key=meta.name):
        key = port_key(slice_.get("ports") or [])
        if key not in wanted:
            spare.append(slice_)
            continue
        draft = _Draft(key, slice_)
        for entry in slice_.get("endpoints") or ():
            fresh = wanted[key].pop((entry.get("targetRef") or {}).get("uid", ""), None)
            if fresh is not None:
                draft.endpoints.append(fresh)
        drafts.append(draft)
    return drafts, spare


def _place(ports: PortKey, rest: list[Object], drafts: list[_Draft]) -> None:
    """Put the new endpoints into the fullest slice that takes them all, else fill slices up and open new ones."""
    while rest:
        open_ = [d for d in drafts if d.ports == ports and len(d.endpoints) < PER_SLICE]
        roomy = [d for d in open_ if len(d.endpoints) + len(rest) <= PER_SLICE]
        target = max(roomy or open_, key=lambda d: len(d.endpoints), default=None)
        if target is None:
            target = _Draft(ports)
            drafts.append(target)
        room = PER_SLICE - len(target.endpoints)
        target.endpoints.extend(rest[:room])
        rest = rest[room:]


def _write(service: Object, family: str, draft: _Draft, trigger: str) -> Iterator[Action]:
    labels = {
        **backends.copied_labels(service, (MANAGED_BY, SERVICE_NAME, backends.HEADLESS)),
        MANAGED_BY: MANAGER,
        SERVICE_NAME: meta.name(service),
    }
    content: Object = {"addressType": family, "ports": ports_of(draft.ports), "endpoints": draft.endpoints}
    base: Object = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
    if draft.source is None:
        metadata: Object = {
            "generateName": f"{meta.name(service)}-",
            "namespace": meta.namespace(service),
            "labels": labels,
            "annotations": {backends.TRIGGER_TIME: trigger},
            "ownerReferences": [controller_ref(service)],
        }
        yield Create({**base, "metadata": metadata, **content})
    elif differs(draft.source, content, labels):
        metadata = {
            **draft.source["metadata"],
            "labels": labels,
            "annotations": {**meta.annotations(draft.source), backends.TRIGGER_TIME: trigger},
        }
        yield Update({**base, "metadata": metadata, **content})


def differs(slice_: Object, content: Object, labels: dict[str, str]) -> bool:
    return (
        meta.labels(slice_) != labels
        or port_key(slice_.get("ports") or []) != port_key(content["ports"])
        or (slice_.get("endpoints") or []) != content["endpoints"]
    )


def service_of_slice(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    changed = new if new is not None else old
    if changed is not None and meta.labels(changed).get(MANAGED_BY) == MANAGER:
        yield meta.namespace(changed), meta.labels(changed).get(SERVICE_NAME, "")


def services_of_node(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A node that comes shows its pods; what its zone and cpu are worth matters to hints."""
    node = new if new is not None else old
    if node is None or (old is not None and new is not None and topology.shape(old) == topology.shape(new)):
        return
    had_zone, has_zone = (meta.labels(one or {"metadata": {}}).get(ZONE) for one in (old, new))
    if old is None or had_zone != has_zone:
        for pod in world.pods_on(meta.name(node)):
            for service in world.services_selecting(pod):
                yield meta.key(service)
    for service in world.by_index(SERVICES, indexes.TOPOLOGY_AWARE, True):
        yield meta.key(service)


CONTROLLER = Controller(
    name="endpointslice",
    source="endpoint-slice-controller",
    primary=SERVICES,
    reconcile=reconcile,
    watches={PODS: backends.services_of_pod, ENDPOINT_SLICES: service_of_slice, NODES: services_of_node},
    coalesce_seconds=0.1,
)
