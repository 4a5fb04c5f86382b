"""Topology hints by the annotation `service.kubernetes.io/topology-mode: Auto`: zones get endpoints in proportion to their cpu.

Hints are all or nothing for a Service and a family: when zones cannot be served within 20 % of their share, there are none.
Upstream: https://github.com/kubernetes/kubernetes/tree/master/staging/src/k8s.io/endpointslice/topologycache
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

MODE, OLDER_MODE = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"
ZONE = "topology.kubernetes.io/zone"
OVERLOAD = 0.2
_NOT_COUNTED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"
NO_NODE_INFORMATION = (
    "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
)
TOO_FEW = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
NO_ZONE = "One or more endpoints do not have a zone specified"
NONE_ALLOCATED = "No hints allocated for zones"

Slice = list[Object]  # the endpoints of a slice on its way


class Allocation(NamedTuple):
    least: int
    most: int
    wanted: float


class NoHints(Exception):
    """Why there are none."""


def is_asked(service: Object) -> bool:
    annotations = meta.annotations(service)
    return annotations.get(OLDER_MODE, annotations.get(MODE)) in ("Auto", "auto")


def shape(node: Object) -> tuple[object, ...]:
    """What of a node counts here."""
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    labels = meta.labels(node)
    return (
        labels.get(ZONE), allocatable.get("cpu"), meta.condition_is_true(node, "Ready"),
        any(label in labels for label in _NOT_COUNTED),
    )  # fmt: skip


def cpu_shares(nodes: Iterable[Object]) -> dict[str, float] | None:
    """Zone -> its part of the ready nodes' cpu; None when a node does not tell, or there is one zone only."""
    zones: Counter[str] = Counter()
    for node in nodes:
        zone, cpu, is_ready, is_excluded = shape(node)
        if is_excluded or not is_ready:
            continue
        millis = quantity.milli(str(cpu)) if cpu else 0
        if not zone or not millis:
            return None
        zones[str(zone)] += millis
    total = zones.total()
    return {zone: millis / total for zone, millis in sorted(zones.items())} if len(zones) > 1 else None


def distribute(fresh: list[Slice], unchanged: list[Slice], shares: Mapping[str, float] | None) -> str:
    """Put hints into the endpoints of both; or take all away, and say why."""
    try:
        _distribute(fresh, unchanged, shares)
    except NoHints as why:
        for slice_ in (*fresh, *unchanged):
            for place in range(len(slice_)):
                _hint(slice_, place, None)
        return str(why)
    return ""


def _distribute(fresh: list[Slice], unchanged: list[Slice], shares: Mapping[str, float] | None) -> None:
    count = sum(_is_ready(entry) for slice_ in (*fresh, *unchanged) for entry in slice_)
    allocations = allocate(count, shares)
    given: Counter[str] = Counter()
    movable = list(fresh)
    for slice_ in unchanged:
        hints = _fitting_hints(slice_, given, allocations)
        if hints is None:
            movable.append(slice_)
        else:
            given.update(hints)
    for slice_ in movable:
        for place, entry in enumerate(slice_):
            if not _is_ready(entry):
                _hint(slice_, place, None)
                continue
            if not entry.get("zone"):
                raise NoHints(NO_ZONE)
            given[entry["zone"]] += 1
            _hint(slice_, place, entry["zone"])
    _balance(movable, *moves(allocations, given))
    if not given:
        raise NoHints(NONE_ALLOCATED)


def allocate(count: int, shares: Mapping[str, float] | None) -> dict[str, Allocation]:
    if shares is None:
        raise NoHints(NO_NODE_INFORMATION)
    numbers = f"({count} endpoints, {len(shares)} zones)"
    if len(shares) > count:
        raise NoHints(f"{TOO_FEW} {numbers}")
    least = {zone: math.ceil(share * count / (1 + OVERLOAD)) for zone, share in shares.items()}
    spare = count - sum(least.values())
    if spare < 0:
        raise NoHints(f"{OVERLOADED} {numbers}")
    return {
        zone: Allocation(least[zone], least[zone] + spare, max(share * count, least[zone]))
        for zone, share in shares.items()
    }


def _fitting_hints(
    slice_: Slice, given: Counter[str], allocations: Mapping[str, Allocation]
) -> Counter[str] | None:
    """The hints that the slice has, unless one is missing, or for a zone that should have none, or one too many."""
    found: Counter[str] = Counter()
    for entry in slice_:
        if not _is_ready(entry):
            continue
        zones = [zone["name"] for zone in (entry.get("hints") or {}).get("forZones") or ()]
        if not zones or any(zone not in allocations for zone in zones):
            return None
        found.update(zones)
    if any(found[zone] + given[zone] > allocations[zone].most for zone in found):
        return None
    return found


def moves(
    allocations: Mapping[str, Allocation], given: Mapping[str, int]
) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints zones give away, and get, in whole endpoints; less than half of one is not worth it."""
    surplus = {zone: given.get(zone, 0) - one.wanted for zone, one in allocations.items()}
    giving: Counter[str] = Counter()
    getting: Counter[str] = Counter()
    while True:
        giver = max(surplus, key=lambda zone: surplus[zone])
        getter = min(surplus, key=lambda zone: surplus[zone])
        more, less = surplus[giver], -surplus[getter]
        if more < 0.5 or less < 0.5 or (more < 1.0 and less < 1.0):
            return giving, getting
        giving[giver] += 1
        getting[getter] += 1
        surplus[giver] -= 1
        surplus[getter] += 1


def _balance(slices: list[Slice], giving: Counter[str], getting: Counter[str]) -> None:
    for slice_ in slices:
        for place, entry in enumerate(slice_):
            if _is_ready(entry) and giving[entry["zone"]] > 0:
                target = next((zone for zone, count in sorted(getting.items()) if count > 0), None)
                if target is None:
                    return
                giving[entry["zone"]] -= 1
                getting[target] -= 1
                _hint(slice_, place, target)


def _is_ready(entry: Object) -> bool:
    return (entry.get("conditions") or {}).get("ready") is True


def _hint(slice_: Slice, place: int, zone: str | None) -> None:
    entry = slice_[place]
    bare = {key: value for key, value in entry.items() if key != "hints"}
    slice_[place] = {**bare, "hints": {"forZones": [{"name": zone}]}} if zone else bare
