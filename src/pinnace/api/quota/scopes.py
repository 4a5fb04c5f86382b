"""Which objects a quota is about: its scopes and its scope selector, each a requirement that an object meets or not."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pinnace.api.meta import Object

Requirement = Mapping[str, Any]
Matches = Callable[[Requirement, Object], bool]


def requirements(quota: Object) -> Iterator[Requirement]:
    spec = quota.get("spec") or {}
    for scope in spec.get("scopes") or ():
        yield {"scopeName": scope, "operator": "Exists"}
    yield from (spec.get("scopeSelector") or {}).get("matchExpressions") or ()


def never(requirement: Requirement, obj: Object) -> bool:
    """Kinds that know no scopes are counted only by quotas that have none."""
    return False


def meets(requirement: Requirement, value: str) -> bool:
    """As a label selector over one label; "" is an object without it."""
    values = requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return bool(value) and value in values
        case "NotIn":
            return not value or value not in values
        case "Exists":
            return bool(value)
        case "DoesNotExist":
            return not value
    return False


def meets_any(requirement: Requirement, found: Iterable[str]) -> bool:
    return any(meets(requirement, value) for value in list(found) or [""])
