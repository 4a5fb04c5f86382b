"""Endpoints controller: the older, single-object list of a Service's backends, kept for clients that still read it."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core.services import publishes_not_ready
from pinnace.api.meta import Object
from pinnace.api.resources import ENDPOINTS, PODS, SERVICES
from pinnace.client.informer import Key
from pinnace.controllers import service_backends as backends
from pinnace.controllers.runtime import Action, Controller, Create, Delete, Update, World, pods

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
CAPACITY = 1000


def reconcile(service: Object, world: World) -> Iterator[Action]:
    if not backends.has_backends(service):
        return
    found = [pod for pod in backends.backing_pods(service, world) if belongs(service, pod)]
    subsets, truncated = pack(service, found)
    current = world.get(ENDPOINTS, meta.name(service), meta.namespace(service))
    wanted = endpoints(service, subsets, truncated, current)
    if current is None:
        wanted["metadata"]["annotations"] = {
            **wanted["metadata"].get("annotations", {}),
            backends.TRIGGER_TIME: backends.trigger_time(service, found),
        }
        yield Create(wanted)
    elif differs(current, wanted):
        annotations = wanted["metadata"].setdefault("annotations", {})
        annotations[backends.TRIGGER_TIME] = backends.trigger_time(service, found)
        yield Update(wanted)


def absent(key: Key, world: World) -> Iterator[Action]:
    """The Service is gone: so are its Endpoints, if they are ours."""
    current = world.get(ENDPOINTS, key[1], key[0])
    if current is not None and meta.labels(current).get(MANAGED_BY) == MANAGER:
        yield Delete(current)


def belongs(service: Object, pod: Object) -> bool:
    leaving = meta.is_terminating(pod) and not publishes_not_ready(service)
    return not leaving and backends.address_of(pod, backends.families(service)[0]) is not None


def pack(service: Object, found: list[Object]) -> tuple[list[Object], bool]:
    """(subsets, whether some were cut off): pods that serve the same ports share a subset; ready ones are kept first."""
    groups: dict[tuple[tuple[str, int, str, str], ...], Object] = {}
    ordered = sorted(found, key=lambda pod: not is_served(service, pod))
    for pod in ordered[:CAPACITY]:
        ports = backends.endpoint_ports(service, pod)
        if not ports and service["spec"].get("ports"):
            continue
        key = tuple(sorted((p["name"], p["port"], p["protocol"], p.get("appProtocol", "")) for p in ports))
        subset = groups.setdefault(key, {"ports": [_without_empty_name(p) for p in ports]} if ports else {})
        field = "addresses" if is_served(service, pod) else "notReadyAddresses"
        subset.setdefault(field, []).append(address(service, pod))
    for subset in groups.values():
        for field in ("addresses", "notReadyAddresses"):
            if field in subset:
                subset[field].sort(key=lambda entry: entry["ip"])
    return [groups[key] for key in sorted(groups)], len(ordered) > CAPACITY


def is_served(service: Object, pod: Object) -> bool:
    return publishes_not_ready(service) or pods.is_ready(pod)


def _without_empty_name(port: Object) -> Object:
    return port if port["name"] else {name: value for name, value in port.items() if name != "name"}


def address(service: Object, pod: Object) -> Object:
    entry: Object = {"ip": backends.address_of(pod, backends.families(service)[0])}
    if name := backends.hostname(service, pod):
        entry["hostname"] = name
    if node := pods.node_name(pod):
        entry["nodeName"] = node
    return {**entry, "targetRef": backends.target_reference(pod)}


def endpoints(service: Object, subsets: list[Object], truncated: bool, current: Object | None) -> Object:
    metadata: Object = dict(current["metadata"]) if current is not None else {
        "name": meta.name(service), "namespace": meta.namespace(service),
    }  # fmt: skip
    metadata["labels"] = {**backends.copied_labels(service, (backends.HEADLESS,)), MANAGED_BY: MANAGER}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != OVER_CAPACITY}
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    if annotations or "annotations" in metadata:
        metadata["annotations"] = annotations
    obj: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return {**obj, "subsets": subsets} if subsets else obj


def differs(current: Object, wanted: Object) -> bool:
    return (
        (current.get("subsets") or []) != wanted.get("subsets", [])
        or meta.labels(current) != meta.labels(wanted)
        or (OVER_CAPACITY in meta.annotations(current)) != (OVER_CAPACITY in meta.annotations(wanted))
    )


def same_name(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    changed = new if new is not None else old
    if changed is not None:
        yield meta.key(changed)


CONTROLLER = Controller(
    name="endpoints",
    source="endpoint-controller",
    primary=SERVICES,
    reconcile=reconcile,
    absent=absent,
    watches={PODS: backends.services_of_pod, ENDPOINTS: same_name},
    coalesce_seconds=0.1,
)
