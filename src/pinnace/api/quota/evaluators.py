"""One evaluator per resource: which entries of a quota it measures, whose objects, and how much each uses."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pinnace.api.meta import Object
from pinnace.api.quota import amounts, objects, pods, scopes
from pinnace.api.quota.amounts import ONE, Amounts

Usage = Callable[[Object, datetime], Amounts]
_COUNT = "count/"
# Object counts that had names of their own before there was `count/RESOURCE.GROUP`.
_OLD_NAMES = frozenset(("configmaps", "resourcequotas", "replicationcontrollers", "secrets"))


@dataclass(frozen=True, slots=True)
class Evaluator:
    measures: Callable[[str], bool]  # is this entry of a quota about objects of mine?
    usage: Usage
    in_scope: scopes.Matches = scopes.never
    on_update: bool = False  # whether a change of an object may change what it uses
    missing: Callable[[Iterable[str], Object], str] = lambda demanded, obj: ""

    def names(self, hard: Iterable[str]) -> list[str]:
        return [name for name in hard if self.measures(name)]

    def matches(self, quota: Object, hard: Iterable[str], obj: Object) -> bool:
        """Whether the quota counts this object at all."""
        return any(map(self.measures, hard)) and self.is_selected(quota, obj)

    def is_selected(self, quota: Object, obj: Object) -> bool:
        return all(self.in_scope(requirement, obj) for requirement in scopes.requirements(quota))


_PODS = Evaluator(pods.measures, pods.usage, pods.in_scope, missing=pods.missing)
_SERVICES = Evaluator(
    objects.SERVICE_NAMES.__contains__, lambda obj, now: objects.service_usage(obj), on_update=True
)
_CLAIMS = Evaluator(
    objects.measures_claims, lambda obj, now: objects.claim_usage(obj), objects.claim_in_scope, on_update=True
)
_DEVICE_CLAIMS = Evaluator(objects.measures_device_claims, lambda obj, now: objects.device_claim_usage(obj))
_SPECIAL = {
    ("pods", ""): _PODS,
    ("services", ""): _SERVICES,
    ("persistentvolumeclaims", ""): _CLAIMS,
    ("resourceclaims", "resource.k8s.io"): _DEVICE_CLAIMS,
}


def evaluator_for(resource: str, group: str) -> Evaluator:
    """The evaluator of any namespaced resource: most are only counted."""
    special = _SPECIAL.get((resource, group))
    return special if special is not None else _counter(resource, group)


def _counter(resource: str, group: str) -> Evaluator:
    counted = {f"{_COUNT}{resource}.{group}" if group else _COUNT + resource}
    if not group and resource in _OLD_NAMES:
        counted.add(resource)
    return Evaluator(counted.__contains__, lambda obj, now: dict.fromkeys(counted, ONE))


def resources_of(hard: Iterable[str]) -> set[tuple[str, str]]:
    """(resource, group) of all that a quota with these entries counts, as far as names tell."""
    found = set()
    for name in hard:
        special = [key for key, evaluator in _SPECIAL.items() if evaluator.measures(name)]
        if special:
            found.update(special)
        elif name.startswith(_COUNT):
            resource, _, group = name.removeprefix(_COUNT).partition(".")
            found.add((resource, group))
        elif name in _OLD_NAMES:
            found.add((name, ""))
    return found


def total(
    quota: Object, hard: Iterable[str], evaluator: Evaluator, found: Iterable[Object], now: datetime
) -> Mapping[str, Decimal]:
    """What these objects of one resource use of the quota's entries that are about them; zeros included."""
    names = evaluator.names(hard)
    used: Amounts = dict.fromkeys(names, amounts.ZERO)
    for obj in found:
        if evaluator.is_selected(quota, obj):
            for name, amount in evaluator.usage(obj, now).items():
                if name in used:
                    used[name] += amount
    return used
