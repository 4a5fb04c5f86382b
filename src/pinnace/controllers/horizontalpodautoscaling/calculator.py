"""How many replicas a metric asks for: pure arithmetic over pods and what they use.

Pods without a reading, and pods that are not ready yet, damp the result and never turn its direction.
Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator.go
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity, times

CPU = "cpu"


class NotComputable(Exception):
    """Why there is no number of replicas for this metric; the message is shown to users."""


class Reading(NamedTuple):
    """What one pod used, in thousandths, over the `window` that ended at `when`."""

    milli: int
    when: datetime
    window: timedelta


@dataclass(frozen=True, slots=True)
class Tolerances:
    """A ratio of current to wanted between 1 - down and 1 + up changes nothing."""

    up: float = 0.1
    down: float = 0.1

    def hold(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Warmup:
    """How long a young pod's cpu is not believed."""

    cpu_initialization: timedelta = timedelta(minutes=5)
    initial_readiness_delay: timedelta = timedelta(seconds=30)


class Proposal(NamedTuple):
    replicas: int
    milli: int  # what is used now: per pod, or of the metric as a whole
    utilization: int | None = None  # percent of the request


@dataclass(slots=True)
class Groups:
    """Pods by what their readings are worth. Ignored ones are going away or have failed."""

    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


def group_pods(
    found: Iterable[Object], readings: Mapping[str, Reading], resource: str, warmup: Warmup, now: datetime
) -> Groups:
    groups = Groups()
    for pod in found:
        name = meta.name(pod)
        if meta.is_terminating(pod) or pods.phase(pod) == "Failed":
            groups.ignored.add(name)
        elif pods.phase(pod) == "Pending":
            groups.unready.add(name)
        elif name not in readings:
            groups.missing.add(name)
        elif resource == CPU and _is_warming_up(pod, readings[name], warmup, now):
            groups.unready.add(name)
        else:
            groups.ready += 1
    return groups


def _is_warming_up(pod: Object, reading: Reading, warmup: Warmup, now: datetime) -> bool:
    condition = pods.get_condition(pod, "Ready")
    started_text = (pod.get("status") or {}).get("startTime")
    if condition is None or not started_text:
        return True
    started, is_unready = times.parse_time(started_text), condition.get("status") == "False"
    since = (
        times.parse_time(condition["lastTransitionTime"]) if condition.get("lastTransitionTime") else started
    )
    if started + warmup.cpu_initialization > now:
        return is_unready or reading.when < since + reading.window
    return is_unready and started + warmup.initial_readiness_delay > since


def requests_of(found: Iterable[Object], resource: str, container: str) -> dict[str, int]:
    """Pod name -> what its containers (or the one named) request, in thousandths; raises when one requests nothing."""
    result = {}
    for pod in found:
        spec = pod["spec"]
        whole = ((spec.get("resources") or {}).get("requests") or {}).get(resource)
        if whole is not None and not container:
            result[meta.name(pod)] = quantity.milli(whole)
            continue
        sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
        total = 0
        for each in (*spec["containers"], *sidecars):
            if container and each["name"] != container:
                continue
            amount = ((each.get("resources") or {}).get("requests") or {}).get(resource)
            if amount is None:
                raise NotComputable(
                    f"missing request for {resource} in container {each['name']} of Pod {meta.name(pod)}"
                )
            total += quantity.milli(amount)
        result[meta.name(pod)] = total
    return result


def by_utilization(
    current: int,
    found: list[Object],
    readings: Mapping[str, Reading],
    target: int,
    tolerances: Tolerances,
    *,
    resource: str,
    container: str = "",
    warmup: Warmup,
    now: datetime,
) -> Proposal:
    """Use as a percentage of the request should be `target`."""
    groups = _grouped(found, readings, resource, warmup, now)
    requests = requests_of(found, resource, container)
    used = _believed(readings, groups)

    def measure(amounts: Mapping[str, int]) -> tuple[float, int, int]:
        known = [name for name in amounts if name in requests]
        asked = sum(requests[name] for name in known)
        if not asked:
            raise NotComputable("no metrics returned matched known pods")
        total = sum(amounts[name] for name in known)
        percent = total * 100 // asked
        return percent / target, percent, total // len(known)

    ratio, percent, milli = measure(used)
    full = max(100, target)
    replicas = _replicas(
        current, groups, used, ratio, tolerances,
        ratio_of=lambda amounts: measure(amounts)[0],
        assumed=lambda name: requests[name] * full // 100,
        exact_counts_as_more=False,
    )  # fmt: skip
    return Proposal(replicas, milli, percent)


def by_average(
    current: int,
    found: list[Object],
    readings: Mapping[str, Reading],
    target: int,
    tolerances: Tolerances,
    *,
    resource: str = "",
    warmup: Warmup,
    now: datetime,
) -> Proposal:
    """The average over the pods should be `target` thousandths."""
    groups = _grouped(found, readings, resource, warmup, now)
    used = _believed(readings, groups)

    def average(amounts: Mapping[str, int]) -> int:
        return sum(amounts.values()) // len(amounts)

    milli = average(used)
    replicas = _replicas(
        current, groups, used, milli / target, tolerances,
        ratio_of=lambda amounts: average(amounts) / target,
        assumed=lambda name: target,
        exact_counts_as_more=True,
    )  # fmt: skip
    return Proposal(replicas, milli)


def _grouped(
    found: list[Object], readings: Mapping[str, Reading], resource: str, warmup: Warmup, now: datetime
) -> Groups:
    if not found:
        raise NotComputable("no pods returned by selector while calculating replica count")
    return group_pods(found, readings, resource, warmup, now)


def _believed(readings: Mapping[str, Reading], groups: Groups) -> dict[str, int]:
    doubted = groups.ignored | groups.unready
    used = {name: reading.milli for name, reading in readings.items() if name not in doubted}
    if not used:
        raise NotComputable("did not receive metrics for targeted pods (pods might be unready)")
    return used


def _replicas(
    current: int,
    groups: Groups,
    used: dict[str, int],
    ratio: float,
    tolerances: Tolerances,
    *,
    ratio_of: Callable[[Mapping[str, int]], float],
    assumed: Callable[[str], int],
    exact_counts_as_more: bool,
) -> int:
    """Missing pods count as fully used on the way down and as idle on the way up; unready ones are idle on the way up."""
    counts_unready = bool(groups.unready) and ratio > 1.0
    if not counts_unready and not groups.missing:
        return current if tolerances.hold(ratio) else math.ceil(ratio * groups.ready)
    amounts = dict(used)
    if ratio < 1.0:
        amounts.update((name, assumed(name)) for name in groups.missing)
    elif ratio > 1.0 or exact_counts_as_more:
        amounts.update(dict.fromkeys(groups.missing, 0))
    if counts_unready:
        amounts.update(dict.fromkeys(groups.unready, 0))
    damped = ratio_of(amounts)
    if tolerances.hold(damped) or (ratio < 1.0 < damped) or (damped < 1.0 < ratio):
        return current
    replicas = math.ceil(damped * len(amounts))
    turns = (damped < 1.0 and replicas > current) or (damped > 1.0 and replicas < current)
    return current if turns else replicas


def by_value(current: int, found: list[Object], milli: int, target: int, tolerances: Tolerances) -> Proposal:
    """One value for all pods should be `target`, in proportion to the ready pods; from zero the ratio itself counts."""
    ratio = milli / target
    if current == 0:
        return Proposal(math.ceil(ratio), milli)
    if tolerances.hold(ratio):
        return Proposal(current, milli)
    if not found:
        raise NotComputable(
            "unable to calculate ready pods: no pods returned by selector while calculating replica count"
        )
    ready = sum(pods.phase(pod) == "Running" and pods.is_ready(pod) for pod in found)
    return Proposal(math.ceil(ratio * ready), milli)


def by_share(current: int, milli: int, target: int, tolerances: Tolerances) -> Proposal:
    """One value divided among the pods should be `target` for each; `current` is what the status reports."""
    ratio = milli / (target * current) if current else math.inf
    replicas = current if tolerances.hold(ratio) else math.ceil(milli / target)
    return Proposal(replicas, math.ceil(milli / current) if current else 0)
