"""Whether a request fits into a quota, and what the quota's status is afterwards. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pinnace.api.quota import amounts, scopes
from pinnace.api.quota.amounts import ZERO, Amounts
from pinnace.api.quota.evaluators import Evaluator, evaluator_for
from pinnace.apimachinery import quantity
from pinnace.apiserver.admission.attributes import Admission

Object = dict[str, Any]


class Refusal(Exception):
    """Its text is what follows `... is forbidden: `."""


def charged(quota: Object, admission: Admission) -> Object | None:
    """The quota with what the request would use added; None when it uses nothing of it. Raises Refusal."""
    gvr, obj = admission.resource.gvr, admission.object or {}
    evaluator = evaluator_for(gvr.resource, gvr.group)
    status = quota.get("status") or {}
    hard, used, name = status.get("hard") or {}, status.get("used") or {}, quota["metadata"]["name"]
    if not evaluator.matches(quota, hard, obj):
        return None
    names = evaluator.names(hard)
    if why := evaluator.missing(names, obj):
        raise Refusal(f"failed quota: {name}: {why}")
    if any(entry not in used for entry in names):
        raise Refusal(f"status unknown for quota: {name}, resources: {','.join(sorted(names))}")
    asked = {
        n: amount for n, amount in _usage(quota, hard, evaluator, admission).items() if amount and n in hard
    }
    if not asked:
        return None
    after = {n: quantity.parse(used.get(n, "0")) + amount for n, amount in asked.items()}
    exceeded = sorted(n for n, amount in after.items() if amount > quantity.parse(hard[n]))
    if exceeded:
        raise Refusal(
            f"exceeded quota: {name}, requested: {amounts.shown(amounts.only(asked, exceeded))}, "
            f"used: {_listed(used, exceeded)}, limited: {_listed(hard, exceeded)}"
        )
    return {**quota, "status": {**status, "used": {**used, **amounts.texts(after)}}}


def _listed(texts: Mapping[str, str], names: Iterable[str]) -> str:
    return ",".join(f"{name}={texts.get(name, '0')}" for name in names)


def _usage(quota: Object, hard: Iterable[str], evaluator: Evaluator, admission: Admission) -> Amounts:
    """What the request adds: of an update only the growth, unless the quota has not counted the object so far."""
    usage = evaluator.usage(admission.object or {}, admission.now)
    old = admission.old
    if admission.operation != "UPDATE" or old is None or not evaluator.matches(quota, hard, old):
        return usage
    return amounts.less(usage, evaluator.usage(old, admission.now))


# -- resources that nobody may use without a quota --------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Limited:
    group: str
    resource: str
    contains: tuple[str, ...]  # parts of the names of what may not be used
    scopes: tuple[scopes.Requirement, ...]


def limited_from(configuration: Object) -> tuple[Limited, ...]:
    """`limitedResources` of a ResourceQuotaConfiguration; raises ValueError."""
    known = {"apiVersion", "kind", "limitedResources"}
    if configuration.get("kind") not in ("ResourceQuotaConfiguration", "Configuration"):
        raise ValueError(f"no kind {configuration.get('kind')!r} is known, only 'ResourceQuotaConfiguration'")
    if unknown := set(configuration) - known:
        raise ValueError(f"unknown field {min(unknown)!r}")
    return tuple(
        Limited(
            entry.get("apiGroup") or "",
            entry.get("resource") or "",
            tuple(entry.get("matchContains") or ()),
            tuple(entry.get("matchScopes") or ()),
        )
        for entry in configuration.get("limitedResources") or ()
    )


def uncovered(limited: Sequence[Limited], quotas: Sequence[Object], admission: Admission) -> str:
    """Why the request would use something limited that no quota covers; "" when it does not."""
    gvr, obj = admission.resource.gvr, admission.object or {}
    evaluator = evaluator_for(gvr.resource, gvr.group)
    usage = evaluator.usage(obj, admission.now)
    if admission.operation == "UPDATE" and admission.old is not None:
        usage = amounts.less(usage, evaluator.usage(admission.old, admission.now))
    if not any(usage.values()):
        return ""
    mine = [one for one in limited if (one.resource, one.group) == (gvr.resource, gvr.group)]
    wanted = {
        name for one in mine for name, amount in usage.items() if amount > ZERO and any(part in name for part in one.contains)
    }  # fmt: skip
    covered, met = set(), set()
    for quota in quotas:
        met |= {s.get("scopeName") for s in scopes.requirements(quota) if evaluator.in_scope(s, obj)}
        hard = (quota.get("status") or {}).get("hard") or {}
        if evaluator.matches(quota, hard, obj):
            covered |= set(evaluator.names(hard))
    if missing := sorted(wanted - covered):
        return f"insufficient quota to consume: {','.join(missing)}"
    open_scopes = [
        scope for one in limited for scope in one.scopes if evaluator.in_scope(scope, obj) and scope.get("scopeName") not in met
    ]  # fmt: skip
    if not open_scopes:
        return ""
    texts = (
        f"{{{s.get('scopeName')} {s.get('operator')} [{' '.join(s.get('values') or ())}]}}"
        for s in open_scopes
    )
    return f"insufficient quota to match these scopes: [{' '.join(texts)}]"
