"""The indexes that controllers keep over the informers' copies: by controller, orphans, by node, by label, by selector."""

from collections.abc import Hashable, Iterable

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import (
    CONTROLLER_REVISIONS,
    ENDPOINT_SLICES,
    JOBS,
    PODS,
    REPLICA_SETS,
    SERVICES,
)
from pinnace.apimachinery.gvk import GVR
from pinnace.client.informer import Indexer, Lister

CONTROLLER = "controller-uid"
ORPHANS = "orphans-of-namespace"
NODE = "node"
LABEL = "label"
SELECTOR_PAIR = "selector-pair"
SERVICE = "service"


def by_controller(obj: Object) -> Iterable[Hashable]:
    reference = meta.controller_of(obj)
    return (reference["uid"],) if reference else ()


def orphans(obj: Object) -> Iterable[Hashable]:
    return () if meta.controller_of(obj) else (meta.namespace(obj),)


def by_node(pod: Object) -> Iterable[Hashable]:
    name = (pod.get("spec") or {}).get("nodeName")
    return (name,) if name else ()


def by_label(obj: Object) -> Iterable[Hashable]:
    space = meta.namespace(obj)
    return [(space, key, value) for key, value in meta.labels(obj).items()]


def by_selector_pair(service: Object) -> Iterable[Hashable]:
    """One pair of the selector stands for all: who has it may match, who lacks it cannot."""
    selector = (service.get("spec") or {}).get("selector")
    return ((meta.namespace(service), *min(selector.items())),) if selector else ()


def by_service(slice_: Object) -> Iterable[Hashable]:
    name = meta.labels(slice_).get("kubernetes.io/service-name")
    return ((meta.namespace(slice_), name),) if name else ()


_OWNED: dict[str, Indexer] = {CONTROLLER: by_controller, ORPHANS: orphans}

INDEXES: dict[GVR, dict[str, Indexer]] = {
    PODS: {**_OWNED, NODE: by_node, LABEL: by_label},
    REPLICA_SETS: _OWNED,
    CONTROLLER_REVISIONS: _OWNED,
    JOBS: {CONTROLLER: by_controller},
    SERVICES: {SELECTOR_PAIR: by_selector_pair},
    ENDPOINT_SLICES: {SERVICE: by_service},
}


def add_to(lister: Lister, gvr: GVR) -> None:
    """Give the lister of `gvr` every index that controllers expect there."""
    for name, indexer in INDEXES.get(gvr, {}).items():
        lister.add_index(name, indexer)
