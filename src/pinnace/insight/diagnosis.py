"""From an object to the ranked causes: its rules, then those of what it depends on or is made of, as far as something is wrong there."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pinnace.api import meta
from pinnace.insight.catalog import ANY, RULES
from pinnace.insight.findings import EFFECT, Finding, Object
from pinnace.insight.links import neighbours
from pinnace.insight.world import World, is_known

MOST_OBJECTS = 200  # looked at from one start: enough for any chain, and an end for odd ones


class Diagnosis(NamedTuple):
    findings: list[Finding]
    looked_at: list[str]  # `pod shop/web`


class Ranked(NamedTuple):
    finding: Finding
    distance: int


def diagnose(starts: Iterable[Object], world: World) -> Diagnosis:
    queue = [(obj, 0) for obj in starts]
    seen: set[tuple[str, str, str]] = set()
    found: list[Ranked] = []
    looked_at: list[str] = []
    limit = MOST_OBJECTS + len(queue)
    while queue and len(looked_at) < limit:
        obj, distance = queue.pop(0)
        key = (obj["kind"], *meta.key(obj))
        if key in seen:
            continue
        seen.add(key)
        looked_at.append(f"{obj['kind'].lower()} {meta.key_text(obj)}")
        found += [Ranked(one, distance) for one in _rules_about(obj, world)]
        if is_known(obj):
            queue += [(other, distance + 1) for other in neighbours(obj, world)]
    return Diagnosis(_ranked(found, world), looked_at)


def _rules_about(obj: Object, world: World) -> Iterable[Finding]:
    for name, row in RULES.items():
        if row.kinds == ANY or (obj["kind"] in row.kinds and is_known(obj)):
            for one in row.check(obj, world):
                yield one._replace(rule=name)


def _ranked(found: list[Ranked], world: World) -> list[Finding]:
    """Causes first, of equals the ones further down the chain; what several objects have alike is told once."""
    found = _without_needless_effects(found)
    found.sort(key=lambda one: (-one.finding.rank, -one.distance, one.finding.about))
    merged: dict[tuple[str, str, str], list[Finding]] = {}
    for one in found:
        same = (one.finding.rule, one.finding.kind, _without_name(one.finding))
        merged.setdefault(same, []).append(one.finding)
    return [_together(group, world) for group in merged.values()]


def _without_needless_effects(found: list[Ranked]) -> list[Ranked]:
    """The effect stays when its object is where the question began, or when no cause was found at all."""
    has_cause = any(one.finding.rank > EFFECT for one in found)
    return [one for one in found if not has_cause or one.distance == 0 or one.finding.rank != EFFECT]


def _without_name(one: Finding) -> str:
    return re.sub(rf"(?<![\w.-]){re.escape(one.name)}(?![\w-])", "*", one.cause)


def _together(group: list[Finding], world: World) -> Finding:
    first, names = group[0], [one.name for one in group[1:]]
    if first.kind == "Pod":
        for one in group:
            names += world.alike.get((one.namespace, one.name), ())
    if not names:
        return first
    others = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return first._replace(cause=f"{first.cause} (and {len(names)} more alike: {others})", alike=len(names))
