"""EndpointSlice mirroring: hand-made Endpoints of Services without a selector are shown as EndpointSlices, too.

One slice per subset's ports and address family, of a thousand endpoints at most.
Upstream: https://github.com/kubernetes/kubernetes/tree/master/pkg/controller/endpointslicemirroring
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from pinnace.client.informer import Key
from pinnace.controllers.endpointslice import MANAGED_BY, SERVICE_NAME, PortKey, port_key, ports_of
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
)
from pinnace.controllers.service_backends import TRIGGER_TIME

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
LEADER_ELECTION = "control-plane.alpha.kubernetes.io/leader"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
PER_SUBSET = 1000

GroupKey = tuple[str, PortKey]  # family, ports
AddressKey = tuple[object, ...]


@dataclass(slots=True)
class Wanted:
    """Per family and ports the endpoints by address; and how many addresses were left out, of them `invalid`."""

    groups: dict[GroupKey, dict[AddressKey, Object]] = field(default_factory=dict)
    skipped: int = 0
    invalid: int = 0


def reconcile(endpoints: Object, world: World) -> Iterator[Action]:
    existing = mirrored(meta.key(endpoints), world)
    if not may_mirror(endpoints) or not _has_plain_service(endpoints, world):
        yield from map(Delete, existing)
        return
    if meta.is_terminating(endpoints):
        return
    wanted = wanted_endpoints(endpoints)
    if wanted.invalid:
        why = f"Skipped {wanted.invalid} invalid IP addresses when mirroring to EndpointSlices"
        yield Emit(endpoints, "Warning", "InvalidIPAddress", why)
    if wanted.skipped > wanted.invalid:
        yield Emit(endpoints, "Warning", "TooManyAddressesToMirror",
                   f"A max of {PER_SUBSET} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                   f"{wanted.skipped} addresses were skipped")  # fmt: skip
    yield from lay_out(endpoints, wanted, existing)


def absent(key: Key, world: World) -> Iterator[Action]:
    yield from map(Delete, mirrored(key, world))


def mirrored(key: Key, world: World) -> list[Object]:
    found = world.by_index(ENDPOINT_SLICES, indexes.SERVICE, key)
    ours = [s for s in found if meta.labels(s).get(MANAGED_BY) == MANAGER and not meta.is_terminating(s)]
    return sorted(ours, key=meta.name)


def may_mirror(endpoints: Object) -> bool:
    """Not what its owner keeps out, and not the lock of an old leader election."""
    is_kept_out = meta.labels(endpoints).get(SKIP_MIRROR) == "true"
    return not is_kept_out and LEADER_ELECTION not in meta.annotations(endpoints)


def _has_plain_service(endpoints: Object, world: World) -> bool:
    service = world.get(SERVICES, meta.name(endpoints), meta.namespace(endpoints))
    return service is not None and service["spec"].get("selector") is None


def wanted_endpoints(endpoints: Object) -> Wanted:
    wanted = Wanted()
    for subset in endpoints.get("subsets") or ():
        ports = port_key(
            [{"protocol": "TCP", **port} for port in subset.get("ports") or ()]
        )  # as the API server fills in
        listed = [(address, True) for address in subset.get("addresses") or ()]
        listed += [(address, False) for address in subset.get("notReadyAddresses") or ()]
        added = 0
        for address, is_ready in listed:
            if added >= PER_SUBSET:
                break
            found = _endpoint(address, is_ready)
            if found is None:
                wanted.invalid += 1
                continue
            family, entry = found
            wanted.groups.setdefault((family, ports), {}).setdefault(_identity(entry), entry)
            added += 1
        wanted.skipped += len(listed) - added
    return wanted


def _endpoint(address: Object, is_ready: bool) -> tuple[str, Object] | None:
    try:
        ip = ipaddress.ip_address(address["ip"])
    except ValueError:
        return None
    entry: Object = {"addresses": [str(ip)], "conditions": {"ready": is_ready}}
    for name in ("hostname", "targetRef", "nodeName"):
        if address.get(name):
            entry[name] = address[name]
    return f"IPv{ip.version}", entry


def _identity(entry: Object) -> AddressKey:
    """What makes two addresses the same endpoint: a later one with other conditions does not come twice."""
    reference = entry.get("targetRef") or {}
    return (
        *entry["addresses"],
        entry.get("hostname"),
        entry.get("nodeName"),
        reference.get("uid"),
        reference.get("name"),
    )


def lay_out(endpoints: Object, wanted: Wanted, existing: list[Object]) -> Iterator[Action]:
    """Keep the slice of each group, use leftover slices for new groups, delete the rest."""
    kept: dict[GroupKey, Object] = {}
    spare: list[Object] = []
    for slice_ in existing:
        key = (slice_["addressType"], port_key(slice_.get("ports") or []))
        if key in wanted.groups and key not in kept:
            kept[key] = slice_
        else:
            spare.append(slice_)
    for key, group in wanted.groups.items():
        family, ports = key
        content: Object = {"addressType": family, "ports": ports_of(ports), "endpoints": list(group.values())}
        reusable = next((s for s in spare if s["addressType"] == family), None)
        source = kept.get(key) or reusable
        if source is None:
            yield Create({**_base(endpoints, {"generateName": f"{meta.name(endpoints)}-"}), **content})
            continue
        if source is reusable and key not in kept:
            spare.remove(source)
        metadata = {k: v for k, v in source["metadata"].items() if k not in ("labels", "annotations")}
        fresh = {**_base(endpoints, metadata), **content}
        if _differs(source, fresh):
            yield Update(fresh)
    yield from map(Delete, spare)


def _base(endpoints: Object, metadata: Object) -> Object:
    labels = {**meta.labels(endpoints), SERVICE_NAME: meta.name(endpoints), MANAGED_BY: MANAGER}
    copied = {k: v for k, v in meta.annotations(endpoints).items() if k not in (TRIGGER_TIME, LAST_APPLIED)}
    made: Object = {
        **metadata,
        "namespace": meta.namespace(endpoints),
        "labels": labels,
        "ownerReferences": [controller_ref(endpoints)],
    }
    if copied:
        made["annotations"] = copied
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": made}


def _differs(source: Object, fresh: Object) -> bool:
    def content(slice_: Object) -> tuple[object, ...]:
        ports = port_key(slice_.get("ports") or [])
        found = sorted(slice_.get("endpoints") or (), key=lambda entry: str(_identity(entry)))
        return ports, found, meta.labels(slice_), meta.annotations(slice_)

    return content(source) != content(fresh)


def same_name(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A Service that comes, goes, or gets or loses its selector."""
    changed = new if new is not None else old
    if changed is None:
        return
    if old is not None and new is not None:
        had, has = (one["spec"].get("selector") is None for one in (old, new))
        if had == has:
            return
    elif changed["spec"].get("selector") is not None:
        return
    yield meta.key(changed)


def endpoints_of_slice(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    for slice_ in (old, new):
        if slice_ is not None and meta.labels(slice_).get(MANAGED_BY) == MANAGER:
            yield meta.namespace(slice_), meta.labels(slice_).get(SERVICE_NAME, "")


def concerns(old: Object | None, new: Object) -> bool:
    return may_mirror(new) or (old is not None and may_mirror(old))


CONTROLLER = Controller(
    name="endpointslice-mirroring",
    source="endpoint-slice-mirroring-controller",
    primary=ENDPOINTS,
    reconcile=reconcile,
    absent=absent,
    concerns=concerns,
    watches={SERVICES: same_name, ENDPOINT_SLICES: endpoints_of_slice},
    coalesce_seconds=0.1,
)
