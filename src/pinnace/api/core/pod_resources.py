"""How much a pod asks for: requests, limits, quality-of-service class.

Upstream: https://github.com/kubernetes/component-helpers/blob/master/resource/helpers.go and pkg/apis/core/helper/qos.
Left out: amounts allocated while a pod is resized in place (`status.containerStatuses[].allocatedResources`).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

Amounts = dict[str, Decimal]
_ZERO = Decimal(0)


def requests(pod: Object) -> Amounts:
    """What the scheduler reserves: the greater of starting up (init containers) and running, plus overhead."""
    total = _aggregate(pod["spec"], "requests")
    _add(total, _amounts(pod["spec"].get("overhead")))
    return total


def limits(pod: Object) -> Amounts:
    """Overhead counts only towards limits that exist."""
    total = _aggregate(pod["spec"], "limits")
    for name, amount in _amounts(pod["spec"].get("overhead")).items():
        if total.get(name):
            total[name] += amount
    return total


def container_sum(spec: Mapping[str, Any]) -> Amounts:
    """What the containers request together, whatever the pod as a whole does."""
    return _aggregate({**spec, "resources": None}, "requests")


def container_requests(container: Mapping[str, Any]) -> Amounts:
    return _of(container, "requests")


def container_limits(container: Mapping[str, Any]) -> Amounts:
    return _of(container, "limits")


def _amounts(listed: Mapping[str, Any] | None) -> Amounts:
    return {name: quantity.parse(amount) for name, amount in (listed or {}).items()}


def _of(container: Mapping[str, Any], field: str) -> Amounts:
    return _amounts((container.get("resources") or {}).get(field))


def _add(total: Amounts, more: Mapping[str, Decimal]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, _ZERO) + amount


def _raise_to(total: Amounts, other: Mapping[str, Decimal]) -> None:
    for name, amount in other.items():
        if amount > total.get(name, _ZERO) or name not in total:
            total[name] = amount


def _aggregate(spec: Mapping[str, Any], field: str) -> Amounts:
    running: Amounts = {}
    for container in spec.get("containers") or ():
        _add(running, _of(container, field))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _of(container, field)
        if container.get("restartPolicy") == "Always":
            _add(running, own)
            _add(sidecars, own)
            _raise_to(starting, sidecars)
        else:
            _add(own, sidecars)
            _raise_to(starting, own)
    _raise_to(running, starting)
    pod_level = _amounts((spec.get("resources") or {}).get(field))
    running.update(pod_level)
    return running


# -- quality of service -----------------------------------------------------------------------------------------
def qos_class(pod: Object) -> str:
    """The class in the status, else the one that the spec implies."""
    return (pod.get("status") or {}).get("qosClass") or compute_qos_class(pod["spec"])


def compute_qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed: every container limits cpu and memory to what it requests. BestEffort: none says anything."""
    if spec.get("resources"):
        holders: Iterable[Mapping[str, Any]] = (spec,)
    else:
        holders = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    requested: Amounts = {}
    limited: Amounts = {}
    every_limit = True
    for holder in holders:
        own = _compute(_of(holder, "limits"))
        _add(requested, _compute(_of(holder, "requests")))
        _add(limited, own)
        every_limit = every_limit and len(own) == 2
    if not requested and not limited:
        return "BestEffort"
    guaranteed = every_limit and requested == limited
    return "Guaranteed" if guaranteed else "Burstable"


def _compute(amounts: Amounts) -> Amounts:
    return {name: amounts[name] for name in ("cpu", "memory") if amounts.get(name, _ZERO) > 0}
