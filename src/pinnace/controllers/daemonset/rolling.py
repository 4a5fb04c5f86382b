"""Rolling update of daemons: which old pods may go now, and which nodes may have a second, new pod."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pinnace.api import meta
from pinnace.api.apps.deployments import int_or_percent
from pinnace.api.meta import Object
from pinnace.controllers.daemonset.placement import HASH_LABEL
from pinnace.controllers.runtime import pods


@dataclass(slots=True)
class Step:
    delete: list[Object] = field(default_factory=list)
    create_on: list[str] = field(default_factory=list)


def is_rolling(ds: Object) -> bool:
    return (ds["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"


def budgets(ds: Object, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in nodes; one node may always move."""
    rolling = (ds["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = int_or_percent(rolling.get("maxSurge"), desired, round_up=True)
    unavailable = int_or_percent(rolling.get("maxUnavailable", 1), desired, round_up=True)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def is_updated(pod: Object, digest: str) -> bool:
    return meta.labels(pod).get(HASH_LABEL) == digest


def split(on_node: Sequence[Object], digest: str) -> tuple[list[Object], list[Object]]:
    """(pods of the present template, older ones), without those on their way out."""
    staying = [pod for pod in on_node if not meta.is_terminating(pod)]
    return (
        [pod for pod in staying if is_updated(pod, digest)],
        [pod for pod in staying if not is_updated(pod, digest)],
    )


def superseded(running: Sequence[Object], digest: str, min_ready: int, now: datetime) -> list[Object]:
    """With surge a node may have one pod of each kind, but the old one only while it is ready and the new one is not available."""
    new, old = split(running, digest)
    done = (
        old[:1]
        if new and old and (not pods.is_ready(old[0]) or pods.is_available(new[0], min_ready, now))
        else []
    )
    return [*new[1:], *old[1:], *done]


def next_step(
    ds: Object, placed: Mapping[str, Sequence[Object]], digest: str, desired: int, now: datetime
) -> Step:
    """`placed`: daemon pods of every node on which one should run."""
    surge, unavailable = budgets(ds, desired)
    min_ready = ds["spec"].get("minReadySeconds") or 0
    if surge:
        return _surging(placed, digest, surge, min_ready, now)
    return _replacing(placed, digest, unavailable, min_ready, now)


def _replacing(
    placed: Mapping[str, Sequence[Object]], digest: str, budget: int, min_ready: int, now: datetime
) -> Step:
    """Without surge: old pods that do not work go at once, the others as far as the budget allows."""
    broken, candidates, missing = [], [], 0
    for on_node in placed.values():
        new, old = split(on_node, digest)
        if len(new) > 1 or len(old) > 1 or bool(new) == bool(old):
            missing += 1  # placing makes this right first
        elif new:
            missing += not pods.is_available(new[0], min_ready, now)
        elif pods.is_available(old[0], min_ready, now):
            candidates.append(old[0])
        else:
            missing += 1
            broken.append(old[0])
    return Step(delete=[*broken, *candidates[: max(0, budget - missing)]])


def _surging(
    placed: Mapping[str, Sequence[Object]], digest: str, budget: int, min_ready: int, now: datetime
) -> Step:
    """With surge: a new pod comes beside the old one, which goes when the new one is available."""
    step, candidates, surging = Step(), [], 0
    for node, on_node in placed.items():
        new, old = split(on_node, digest)
        if len(new) > 1 or len(old) > 1:
            surging += 1
        elif old and not new:
            if pods.is_available(old[0], min_ready, now):
                candidates.append(node)
            else:
                step.create_on.append(node)
                surging += 1
        elif old and pods.is_available(new[0], min_ready, now):
            step.delete.append(old[0])
        elif old:
            surging += 1
    step.create_on += candidates[: max(0, budget - surging)]
    return step
