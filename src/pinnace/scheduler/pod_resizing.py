"""What a pod that is being resized in place uses: what it asks for now, was granted, or still has, whichever is most.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/1287-in-place-update-pod-resources
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pinnace.api import meta
from pinnace.apimachinery import quantity

Object = dict[str, Any]
Requests = Mapping[str, str]


def in_force(pod: Object) -> dict[str, Object] | None:
    """Resources by name of the containers that count with more, or less, than their spec says; None when there are none."""
    status = pod.get("status")
    if not status or not (status.get("containerStatuses") or status.get("initContainerStatuses")):
        return None
    found: dict[str, Object] = {}
    for containers, statuses in (
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
    ):
        specs = pod["spec"].get(containers) or ()
        by_name = {one["name"]: one for one in status.get(statuses) or () if "allocatedResources" in one}
        for container in specs if by_name else ():
            one = by_name.get(container["name"])
            if one is None:
                continue
            wanted = (container.get("resources") or {}).get("requests") or {}
            granted, actual = one["allocatedResources"], (one.get("resources") or {}).get("requests") or {}
            if granted != wanted or (actual and actual != wanted):
                found[container["name"]] = {"requests": _most(_counted(pod, wanted, granted, actual))}
    return found or None


def pod_in_force(pod: Object) -> Object | None:
    """The same of a pod's own resources; None when they count as its spec says."""
    own, status = pod["spec"].get("resources"), pod.get("status") or {}
    if not own or not own.get("requests") or not status.get("resources"):
        return None
    wanted = own["requests"]
    granted = {
        name: amount for name, amount in (status.get("allocatedResources") or {}).items() if name in wanted
    }
    actual = status["resources"].get("requests") or {}
    if _same(granted, wanted) and _same(actual, wanted):
        return None
    return {**own, "requests": _most(_counted(pod, wanted, granted, actual))}


def _same(some: Requests, wanted: Requests) -> bool:
    """A node that says nothing does not disagree."""
    return not some or {name: quantity.milli(amount) for name, amount in some.items()} == {
        name: quantity.milli(amount) for name, amount in wanted.items()
    }


def _counted(pod: Object, wanted: Requests, granted: Requests, actual: Requests) -> Iterable[Requests]:
    """A resize that the node refused, or put off, does not count."""
    pending = meta.find_condition(pod, "PodResizePending") or {}
    if pending.get("status") == "True" and pending.get("reason") in ("Infeasible", "Deferred"):
        return granted, actual
    return wanted, granted, actual


def _most(several: Iterable[Requests]) -> dict[str, str]:
    most: dict[str, str] = {}
    for requests in several:
        for resource, amount in requests.items():
            known = most.get(resource)
            if known is None or quantity.milli(amount) > quantity.milli(known):
                most[resource] = amount
    return most
