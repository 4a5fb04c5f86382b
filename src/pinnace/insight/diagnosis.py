"""From an object to the ranked causes: its rules, then those of what it depends on or is made of, as far as something is wrong there."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pinnace.api import meta
from pinnace.insight.catalog import ANY, RULES
from pinnace.insight.findings import EFFECT, LIKELY, NOTE, Finding, Object
from pinnace.insight.links import neighbours
from pinnace.insight.world import World, is_known

MOST_OBJECTS = 200  # looked at from one start: enough for any chain, and an end for odd ones


Key = tuple[str, str, str]  # kind, namespace, name


class Diagnosis(NamedTuple):
    findings: list[Finding]
    looked_at: list[str]  # `pod shop/web`


class Ranked(NamedTuple):
    finding: Finding
    distance: int


def diagnose(starts: Iterable[Object], world: World) -> Diagnosis:
    queue = [(obj, 0) for obj in starts]
    seen: set[Key] = set()
    parents: dict[Key, set[Key]] = {}
    found: list[Ranked] = []
    looked_at: list[str] = []
    limit, at = MOST_OBJECTS + len(queue), 0
    while at < len(queue) and len(looked_at) < limit:
        obj, distance = queue[at]
        at += 1
        key = (obj["kind"], *meta.key(obj))
        if key in seen:
            continue
        seen.add(key)
        looked_at.append(f"{obj['kind'].lower()} {meta.key_text(obj)}")
        found += [Ranked(one, distance) for one in _rules_about(obj, world)]
        if is_known(obj):
            for other in neighbours(obj, world):
                parents.setdefault((other["kind"], *meta.key(other)), set()).add(key)
                queue.append((other, distance + 1))
    return Diagnosis(_ranked(found, parents, world), looked_at)


def _rules_about(obj: Object, world: World) -> list[Finding]:
    found: list[Finding] = []
    for name, row in RULES.items():
        if row.is_last and found:
            continue
        if row.kinds == ANY or (obj["kind"] in row.kinds and is_known(obj)):
            for one in row.check(obj, world):
                is_early = EFFECT <= one.rank <= LIKELY and world.age(obj) < row.patience
                found.append((_in_progress(one) if is_early else one)._replace(rule=name))
    return found


def _in_progress(one: Finding) -> Finding:
    return one._replace(rank=NOTE, cause=f"in progress: {one.cause}", is_progress=True)


def _ranked(found: list[Ranked], parents: dict[Key, set[Key]], world: World) -> list[Finding]:
    """Causes first, of equals the ones further down the chain; what several objects have alike is told once."""
    found = _judged(found, parents, is_question=bool(world.asked))
    found.sort(key=lambda one: (-one.finding.rank, -one.distance, one.finding.about))
    merged: dict[tuple[str, str, str], list[Finding]] = {}
    for one in found:
        same = (one.finding.rule, one.finding.kind, _without_name(one.finding))
        merged.setdefault(same, []).append(one.finding)
    return [_together(group, world) for group in merged.values()]


def _judged(found: list[Ranked], parents: dict[Key, set[Key]], *, is_question: bool) -> list[Ranked]:
    """An effect stays where the question began, or when nothing below it is the cause; one that passes by itself is then a note."""
    explained = _above({_key(one.finding) for one in found if one.finding.rank > EFFECT}, parents)
    judged = []
    for one in found:
        is_effect, is_explained = one.finding.rank == EFFECT, _key(one.finding) in explained
        if is_effect and is_explained and not (is_question and one.distance == 0):
            continue
        if is_effect and not is_explained and one.finding.is_progress:
            one = Ranked(_in_progress(one.finding), one.distance)
        judged.append(one)
    return judged


def _key(one: Finding) -> Key:
    return one.kind, one.namespace, one.name


def _above(keys: set[Key], parents: dict[Key, set[Key]]) -> set[Key]:
    """These, and all that led to them."""
    found, todo = set(keys), list(keys)
    while todo:
        for parent in parents.get(todo.pop(), ()):
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found


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
