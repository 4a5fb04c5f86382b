"""An allocation as the claim's status holds it: devices, their configuration, and the nodes where it can be used."""

from collections.abc import Mapping, Sequence
from typing import Any

from pinnace.api.core.node_affinity import matches_terms
from pinnace.api.meta import Object
from pinnace.scheduler.devices.allocator import Chosen
from pinnace.scheduler.devices.pools import DeviceId
from pinnace.scheduler.devices.requests import Wish


def allocation_of(wish: Wish, chosen: Sequence[Chosen], node: str) -> Object:
    devices: Object = {"results": [_result(one) for one in chosen]}
    if config := _config(wish, chosen):
        devices["config"] = config
    found: Object = {"devices": devices}
    if selector := _node_selector(chosen, node):
        found["nodeSelector"] = selector
    return found


def _result(chosen: Chosen) -> Object:
    ask, identity = chosen.ask, chosen.device.id
    result: Object = {
        "request": ask.name,
        "driver": identity.driver,
        "pool": identity.pool,
        "device": identity.name,
    }
    if ask.is_admin:
        result["adminAccess"] = True
    if ask.tolerations:
        result["tolerations"] = [dict(one) for one in ask.tolerations]
    return result


def _config(wish: Wish, chosen: Sequence[Chosen]) -> list[Object]:
    """Of the classes first, then the claim's own, as far as it is about requests that were satisfied so."""
    asks = {one.ask.name: one.ask for one in chosen}
    found = [
        {"source": "FromClass", "requests": [name], **entry}
        for name, ask in asks.items()
        for entry in (ask.device_class.get("spec") or {}).get("config") or ()
    ]
    names = set(asks) | {name.partition("/")[0] for name in asks}
    devices = (wish.claim.get("spec") or {}).get("devices") or {}
    for entry in devices.get("config") or ():
        if not entry.get("requests") or names.intersection(entry["requests"]):
            found.append({"source": "FromClaim", **entry})
    return found


def _node_selector(chosen: Sequence[Chosen], node: str) -> Object | None:
    """One term; None when every device can be used everywhere."""
    if any(one.device.place.node for one in chosen):
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        return {"nodeSelectorTerms": [{"matchFields": [field]}]}
    term: dict[str, list[Any]] = {}
    for one in chosen:
        for part in ((one.device.place.selector or {}).get("nodeSelectorTerms") or ())[:1]:
            for kind in ("matchExpressions", "matchFields"):
                for requirement in part.get(kind) or ():
                    if requirement not in term.setdefault(kind, []):
                        term[kind].append(requirement)
    filled = {kind: requirements for kind, requirements in term.items() if requirements}
    return {"nodeSelectorTerms": [filled]} if filled else None


def devices_in(allocation: Mapping[str, Any]) -> list[DeviceId]:
    """Those that nobody else may have: an administrator's access takes nothing away."""
    results = (allocation.get("devices") or {}).get("results") or ()
    return [
        DeviceId(one["driver"], one["pool"], one["device"]) for one in results if not one.get("adminAccess")
    ]


def is_usable_on(allocation: Mapping[str, Any], node: str, labels: Mapping[str, str]) -> bool:
    selector = allocation.get("nodeSelector")
    return selector is None or matches_terms(selector.get("nodeSelectorTerms"), labels, node)
