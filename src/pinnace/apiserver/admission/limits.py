"""What a LimitRange gives to containers, and what it forbids of pods and claims. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api.core.limitranges import CLAIM, CONTAINER, POD
from pinnace.api.core.pod_resources import limits, requests
from pinnace.api.quota import amounts
from pinnace.api.quota.amounts import Amounts
from pinnace.apimachinery import quantity

Object = dict[str, Any]
ANNOTATION = "kubernetes.io/limit-ranger"
_CONTAINERS = (("containers", "container"), ("initContainers", "init container"))


def _limits(limit_range: Object, kind: str) -> Iterator[Mapping[str, Any]]:
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") == kind:
            yield limit


def set_defaults(pod: Object, limit_range: Object) -> None:
    """Also notes what was set, in an annotation."""
    defaults: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for limit in _limits(limit_range, CONTAINER):
        defaults["requests"] |= limit.get("defaultRequest") or {}
        defaults["limits"] |= limit.get("default") or {}
    notes: list[str] = []
    for field, noun in _CONTAINERS:
        for container in (pod.get("spec") or {}).get(field) or ():
            for given, singular in (("requests", "request"), ("limits", "limit")):
                if added := _fill(container, given, defaults[given]):
                    notes.append(f"{', '.join(added)} {singular} for {noun} {container.get('name', '')}")
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def _fill(container: Object, field: str, defaults: Mapping[str, str]) -> list[str]:
    if not defaults:
        return []
    resources = container.setdefault("resources", {})
    given = resources.get(field) or {}
    added = sorted(set(defaults) - set(given))
    if added:
        resources[field] = {**given, **{name: defaults[name] for name in added}}
    return added


def pod_violations(pod: Object, limit_range: Object, /) -> Iterator[str]:
    spec = pod.get("spec") or {}
    for limit in _limits(limit_range, CONTAINER):
        for field, _ in _CONTAINERS:
            for container in spec.get(field) or ():
                resources = container.get("resources") or {}
                asked, allowed = resources.get("requests") or {}, resources.get("limits") or {}
                yield from _violations(limit, amounts.parsed(asked), amounts.parsed(allowed))
    for limit in _limits(limit_range, POD):
        bare = {**pod, "spec": {key: value for key, value in spec.items() if key != "overhead"}}
        yield from _violations(limit, requests(bare), limits(bare))


def claim_violations(claim: Object, limit_range: Object, /) -> Iterator[str]:
    resources = (claim.get("spec") or {}).get("resources") or {}
    asked = amounts.parsed(resources.get("requests"))
    for limit in _limits(limit_range, CLAIM):
        for name, bound in sorted((limit.get("min") or {}).items()):
            yield from _below(CLAIM, name, bound, asked, {})
        for name, bound in sorted((limit.get("max") or {}).items()):
            head = f"maximum {name} usage per {CLAIM} is {bound}"
            if name not in asked:
                yield f"{head}.  No request is specified"
            elif asked[name] > quantity.parse(bound):
                yield f"{head}, but request is {amounts.text(name, asked[name])}"


def _violations(limit: Mapping[str, Any], asked: Amounts, allowed: Amounts) -> Iterator[str]:
    kind = limit["type"]
    for name, bound in sorted((limit.get("min") or {}).items()):
        yield from _below(kind, name, bound, asked, allowed)
    for name, bound in sorted((limit.get("max") or {}).items()):
        yield from _above(kind, name, bound, asked, allowed)
    for name, bound in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(kind, name, bound, asked, allowed)


def _below(kind: str, name: str, bound: str, asked: Amounts, allowed: Amounts) -> Iterator[str]:
    head, least = f"minimum {name} usage per {kind} is {bound}", quantity.parse(bound)
    if name not in asked:
        yield f"{head}.  No request is specified"
    elif asked[name] < least:
        yield f"{head}, but request is {amounts.text(name, asked[name])}"
    elif name in allowed and allowed[name] < least:
        yield f"{head}, but limit is {amounts.text(name, allowed[name])}"


def _above(kind: str, name: str, bound: str, asked: Amounts, allowed: Amounts) -> Iterator[str]:
    head, most = f"maximum {name} usage per {kind} is {bound}", quantity.parse(bound)
    if name not in allowed:
        yield f"{head}.  No limit is specified"
    elif allowed[name] > most:
        yield f"{head}, but limit is {amounts.text(name, allowed[name])}"
    elif name in asked and asked[name] > most:
        yield f"{head}, but request is {amounts.text(name, asked[name])}"


def _ratio(kind: str, name: str, bound: str, asked: Amounts, allowed: Amounts) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {bound}"
    if not asked.get(name):
        yield f"{head}, but no request is specified or request is 0"
    elif not allowed.get(name):
        yield f"{head}, but no limit is specified or limit is 0"
    elif (ratio := allowed[name] / asked[name]) > quantity.parse(bound):
        yield f"{head}, but provided ratio is {float(ratio):f}"
