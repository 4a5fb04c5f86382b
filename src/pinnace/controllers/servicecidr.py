"""ServiceCIDR controller: ranges are ready, and stay until no service would lose its address with them.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/servicecidrs/servicecidrs_controller.go
"""

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timedelta

from pinnace.api import conditions, meta
from pinnace.api.meta import Object
from pinnace.api.networking import ipaddresses, servicecidrs
from pinnace.api.networking.servicecidrs import FINALIZER, Network
from pinnace.api.resources import IP_ADDRESSES, SERVICE_CIDRS
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Patch, RequeueAfter, SetStatus, World

GRACE = timedelta(seconds=10)  # until every API server has seen that a range is going
_BLOCKED = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
)
_READY = "Kubernetes Service CIDR is ready"


def reconcile(cidr: Object, world: World) -> Iterator[Action]:
    finalizers = cidr["metadata"].get("finalizers") or []
    if not meta.is_terminating(cidr):
        if FINALIZER not in finalizers:
            yield Patch(cidr, {"metadata": {"finalizers": [*finalizers, FINALIZER]}}, guarded=True)
            return  # the change brings it here again
        if not servicecidrs.is_ready(cidr) or not _found(cidr):
            yield _verdict(cidr, "True", "", _READY, world.now)
        return
    if FINALIZER not in finalizers:
        return
    if not may_go(cidr, world):
        if servicecidrs.is_ready({**cidr, "metadata": {}}):
            yield _verdict(cidr, "False", "Terminating", _BLOCKED, world.now)
        return
    left = GRACE - (world.now - parse_time(cidr["metadata"]["deletionTimestamp"]))
    if left > timedelta():
        yield RequeueAfter(left.total_seconds())
        return
    kept = [finalizer for finalizer in finalizers if finalizer != FINALIZER]
    yield Patch(cidr, {"metadata": {"finalizers": kept}}, guarded=True)


def _found(cidr: Object) -> bool:
    return conditions.find((cidr.get("status") or {}).get("conditions"), servicecidrs.READY) is not None


def _verdict(cidr: Object, status: str, reason: str, message: str, now: datetime) -> SetStatus:
    had = cidr.get("status") or {}
    changed = conditions.set_condition(
        had.get("conditions"), servicecidrs.READY, status, reason, message, now=now, extra={"reason": reason}
    )
    return SetStatus(cidr, {**had, "conditions": changed})


def may_go(cidr: Object, world: World) -> bool:
    """Other ranges contain it whole, or none of its addresses is in use that no other range has."""
    others = [
        network
        for other in world.all(SERVICE_CIDRS)
        if meta.name(other) != meta.name(cidr)
        for network in servicecidrs.networks(other)
    ]
    own = servicecidrs.networks(cidr)
    if all(any(_contains(other, network) for other in others) for network in own):
        return True
    for obj in world.all(IP_ADDRESSES):
        if not _is_of_a_service(obj):
            continue
        address = ipaddress.ip_address(meta.name(obj))
        if any(address in network for network in own) and not any(address in network for network in others):
            return False
    return True


def _contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # one family


def _is_of_a_service(obj: Object) -> bool:
    return meta.labels(obj).get(ipaddresses.MANAGED_BY_LABEL) == ipaddresses.ALLOCATOR


def ranges_of(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Ranges that are going may have waited for this address."""
    if new is not None and old is not None:
        return
    for cidr in world.all(SERVICE_CIDRS):
        if meta.is_terminating(cidr):
            yield meta.key(cidr)


def overlapping(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """A range that came may free one that is going."""
    yield from ranges_of(None, new if new is not None else old, world)


CONTROLLER = Controller(
    name="service-cidr",
    source="service-cidr-controller",
    primary=SERVICE_CIDRS,
    reconcile=reconcile,
    watches={IP_ADDRESSES: ranges_of, SERVICE_CIDRS: overlapping},
    workers=1,
)
