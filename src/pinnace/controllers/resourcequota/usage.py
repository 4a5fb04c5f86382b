"""What a quota's status should say. Pure.

A charge of admission comes a moment before its object: counting in between would give back what is about to be used. So a
number that goes down is believed only a little later, and whatever was charged since then stays on top of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pinnace.api.meta import Object
from pinnace.api.quota import amounts
from pinnace.api.quota.amounts import ZERO, Amounts
from pinnace.api.quota.evaluators import evaluator_for, total

Resource = tuple[str, str]  # (resource, group)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` is what to write, None when it is right; `is_settled` is False when a number should go down, but not yet."""

    status: Object | None
    is_settled: bool


def counted(quota: Object, resource: Resource, objects: Iterable[Object], now: datetime) -> Amounts:
    """What these objects of one resource use of what the quota limits."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    return dict(total(quota, hard, evaluator_for(*resource), objects, now))


def decide(quota: Object, found: Amounts, charged_before: Amounts | None) -> Verdict:
    """`found` is what was counted; `charged_before` what the status said a settling time ago, None for not known."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    status = quota.get("status") or {}
    shown = {name: amount for name, amount in (status.get("used") or {}).items() if name in hard}
    before, after = amounts.parsed(shown), amounts.parsed(shown)
    is_settled = True
    for name, value in found.items():
        known = before.get(name)
        if known is None or value >= known:
            after[name] = value
        elif charged_before is None:
            is_settled = False
        else:
            since = max(ZERO, known - charged_before.get(name, ZERO))
            after[name] = min(known, value + since)
            is_settled = is_settled and since == ZERO
    used = {
        name: shown[name] if after[name] == before.get(name) else amounts.text(name, after[name])
        for name in after
    }
    wanted = {"hard": dict(hard), "used": used}
    return Verdict(None if _same(wanted, status) else wanted, is_settled)


def _same(wanted: Object, status: Object) -> bool:
    return all(
        amounts.parsed(wanted[field]) == amounts.parsed(status.get(field)) for field in ("hard", "used")
    )
