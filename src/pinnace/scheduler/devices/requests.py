"""What a claim asks for, read once: requests with their alternatives, and constraints over the devices chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object

ALL = "All"


class CannotAllocate(Exception):
    """No node can help, for a reason that users are told."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to satisfy a request. `name` is REQUEST, or REQUEST/ALTERNATIVE."""

    name: str
    device_class: Object
    expressions: tuple[str, ...]  # all must hold: the class's, then the request's own
    takes_all: bool
    count: int
    is_admin: bool
    tolerations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Constraint:
    attribute: str
    is_distinct: bool
    requests: frozenset[str]  # empty: all

    def concerns(self, name: str) -> bool:
        return not self.requests or name in self.requests or name.partition("/")[0] in self.requests


@dataclass(frozen=True, slots=True)
class Wish:
    """A claim that needs devices. `requests`: for each the ways to satisfy it, best first."""

    claim: Object
    requests: tuple[tuple[Ask, ...], ...]
    constraints: tuple[Constraint, ...]


def read(claim: Object, classes: Mapping[str, Object]) -> Wish:
    """Raises CannotAllocate for a class that is not there."""
    devices = (claim.get("spec") or {}).get("devices") or {}
    requests: list[tuple[Ask, ...]] = []
    for request in devices.get("requests") or ():
        name = request["name"]
        if request.get("exactly") is not None:
            requests.append((_ask(name, request["exactly"], classes, claim),))
        else:
            ways = request.get("firstAvailable") or ()
            requests.append(tuple(_ask(f"{name}/{way['name']}", way, classes, claim) for way in ways))
    constraints = tuple(
        Constraint(
            one.get("matchAttribute") or one["distinctAttribute"],
            one.get("matchAttribute") is None,
            frozenset(one.get("requests") or ()),
        )
        for one in devices.get("constraints") or ()
    )
    return Wish(claim, tuple(requests), constraints)


def _ask(name: str, asked: Mapping[str, Any], classes: Mapping[str, Object], claim: Object) -> Ask:
    class_name = asked["deviceClassName"]
    device_class = classes.get(class_name)
    if device_class is None:
        raise CannotAllocate(f"request {name}: device class {class_name} does not exist")
    if asked.get("capacity"):
        where = f"resourceclaim {meta.name(claim)}, request {name}"
        raise CannotAllocate(f"{where}: requests for part of a device's capacity are not supported")
    selectors = [
        *((device_class.get("spec") or {}).get("selectors") or ()),
        *(asked.get("selectors") or ()),
    ]
    return Ask(
        name,
        device_class,
        tuple(one["cel"]["expression"] for one in selectors if one.get("cel")),
        asked.get("allocationMode") == ALL,
        asked.get("count") or 1,
        bool(asked.get("adminAccess")),
        tuple(asked.get("tolerations") or ()),
    )
