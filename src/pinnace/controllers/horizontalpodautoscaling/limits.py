"""From what metrics ask for to what may be done now: stabilization windows, scaling policies, least and most replicas.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas)
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SCALE_UP_FACTOR, SCALE_UP_MINIMUM = 2, 4  # without a behavior


class Stamped(NamedTuple):
    """A recommendation, or a change of the number of replicas, and the (monotonic) second of it."""

    amount: int
    when: float


@dataclass(slots=True)
class History:
    """What one autoscaler wanted and did lately; forgotten with the process, as upstream's."""

    recommendations: list[Stamped] = field(default_factory=list)
    added: list[Stamped] = field(default_factory=list)
    removed: list[Stamped] = field(default_factory=list)

    def note_change(self, behavior: Mapping[str, Any], before: int, after: int, now: float) -> None:
        """Changes matter to policies only, and only for as long as the longest policy looks back."""
        if after > before:
            longest = _longest_period(behavior["scaleUp"])
            self.added = [*(c for c in self.added if c.when >= now - longest), Stamped(after - before, now)]
        elif after < before:
            longest = _longest_period(behavior["scaleDown"])
            self.removed = [
                *(c for c in self.removed if c.when >= now - longest),
                Stamped(before - after, now),
            ]


class Verdict(NamedTuple):
    """`replicas` to have now; (reason, message) of AbleToScale and ScalingLimited, and whether the latter is true."""

    replicas: int
    able: tuple[str, str]
    limited: bool
    limit: tuple[str, str]


_READY = ("ReadyForNewScale", "recommended size matches current size")
_UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_IN_RANGE = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


def decide(
    spec: Mapping[str, Any],
    history: History,
    current: int,
    wanted: int,
    now: float,
    *,
    downscale_window: float,
) -> Verdict:
    """Remembers `wanted` as a recommendation and says what it comes to."""
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    behavior = spec.get("behavior")
    if behavior is None:
        stable = _highest_since(history.recommendations, wanted, now - downscale_window)
        _remember(history, wanted, now, downscale_window)
        able = _READY if stable == wanted else _DOWN_STABILIZED
        replicas, limit = _within(current, stable, least, most)
    else:
        windows = {"scaleUp": 0.0, "scaleDown": downscale_window}
        up, down = (
            behavior[way].get("stabilizationWindowSeconds", windows[way]) for way in ("scaleUp", "scaleDown")
        )
        stable = stabilized(history.recommendations, current, wanted, now, up=up, down=down)
        _remember(history, wanted, now, max(up, down))
        changed = _UP_STABILIZED if wanted >= current else _DOWN_STABILIZED
        able = _READY if stable == wanted else changed
        replicas, limit = _at_rate(behavior, history, current, stable, least, most, now)
    return Verdict(replicas, able, replicas != stable, limit)


def _remember(history: History, wanted: int, now: float, longest: float) -> None:
    kept = [one for one in history.recommendations if one.when >= now - longest]
    history.recommendations = [*kept, Stamped(wanted, now)]


def _highest_since(recommendations: Iterable[Stamped], wanted: int, since: float) -> int:
    return max([wanted, *(one.amount for one in recommendations if one.when >= since)])


def stabilized(
    recommendations: Iterable[Stamped], current: int, wanted: int, now: float, *, up: float, down: float
) -> int:
    """Go up only to what was always wanted in the upper window, down only to what was always enough in the lower."""
    known = list(recommendations)
    lowest = min([wanted, *(one.amount for one in known if one.when > now - up)])
    highest = max([wanted, *(one.amount for one in known if one.when > now - down)])
    return min(max(current, lowest), highest)


def _within(current: int, stable: int, least: int, most: int) -> tuple[int, tuple[str, str]]:
    """Without a behavior: at most twice as many, or four."""
    fastest = max(SCALE_UP_FACTOR * current, SCALE_UP_MINIMUM)
    highest, why = (fastest, _UP_LIMIT) if most > fastest else (most, _TOO_MANY)
    if stable < least:
        return least, _TOO_FEW
    return (highest, why) if stable > highest else (stable, _IN_RANGE)


def _at_rate(
    behavior: Mapping[str, Any],
    history: History,
    current: int,
    stable: int,
    least: int,
    most: int,
    now: float,
) -> tuple[int, tuple[str, str]]:
    if stable > current:
        fastest = max(current, scale_up_limit(behavior["scaleUp"], current, history, now))
        highest, why = (fastest, _UP_LIMIT) if most > fastest else (most, _TOO_MANY)
        if stable > highest:
            return highest, why
    elif stable < current:
        fastest = min(current, scale_down_limit(behavior["scaleDown"], current, history, now))
        lowest, why = (fastest, _DOWN_LIMIT) if least < fastest else (least, _TOO_FEW)
        if stable < lowest:
            return lowest, why
    return stable, _IN_RANGE


def scale_up_limit(rules: Mapping[str, Any], current: int, history: History, now: float) -> int:
    """What the policies allow, counted from where each one's period began."""
    if rules["selectPolicy"] == "Disabled":
        return current
    limits = []
    for policy in rules["policies"]:
        start = current - _changed(history.added, policy, now) + _changed(history.removed, policy, now)
        if policy["type"] == "Pods":
            limits.append(start + policy["value"])
        else:  # rounded up, or a single replica would never grow
            limits.append(math.ceil(start * (1 + policy["value"] / 100)))
    return min(limits) if rules["selectPolicy"] == "Min" else max(limits)


def scale_down_limit(rules: Mapping[str, Any], current: int, history: History, now: float) -> int:
    if rules["selectPolicy"] == "Disabled":
        return current
    limits = []
    for policy in rules["policies"]:
        start = current - _changed(history.added, policy, now) + _changed(history.removed, policy, now)
        if policy["type"] == "Pods":
            limits.append(start - policy["value"])
        else:
            limits.append(int(start * (1 - policy["value"] / 100)))
    return max(limits) if rules["selectPolicy"] == "Min" else min(limits)


def _changed(changes: Iterable[Stamped], policy: Mapping[str, Any], now: float) -> int:
    return sum(change.amount for change in changes if change.when > now - policy["periodSeconds"])


def _longest_period(rules: Mapping[str, Any]) -> int:
    return max((policy["periodSeconds"] for policy in rules["policies"]), default=0)
