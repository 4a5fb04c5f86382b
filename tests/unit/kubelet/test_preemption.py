"""Who makes room for a critical pod."""

from decimal import Decimal
from typing import Any

import pytest

from pinnace.kubelet import preemption
from unit.kubelet.runtime_builders import make_pod

CRITICAL = 2_000_000_000


def pod(name: str, cpu: str = "", *, limited: bool = False, priority: int = 0) -> dict[str, Any]:
    resources: dict[str, Any] = {"requests": {"cpu": cpu, "memory": "1Mi"}} if cpu else {}
    if limited:
        resources["limits"] = resources["requests"]
    found = make_pod({"name": "c", "image": "i", "resources": resources}, priority=priority)
    found["metadata"] = {"name": name, "namespace": "default", "uid": name}
    return found


def chosen(others: list[dict[str, Any]], **missing: str) -> list[str]:
    needed = {name: Decimal(amount) for name, amount in missing.items()}
    found = preemption.victims(pod("new", priority=CRITICAL), others, needed)
    return [one["metadata"]["name"] for one in found]


def test_the_one_that_comes_nearest_goes_alone() -> None:
    others = [pod("small", "100m"), pod("big", "2"), pod("right", "500m")]
    assert chosen(others, cpu="0.4") == ["right"]


def test_guaranteed_pods_go_only_when_the_others_are_not_enough() -> None:
    others = [pod("guaranteed", "1", limited=True), pod("burstable", "500m"), pod("best-effort")]
    assert chosen(others, cpu="0.4") == ["burstable"]
    assert chosen(others, cpu="1.2") == ["burstable", "guaranteed"]
    assert chosen(others, pods="1") == ["best-effort"]


def test_critical_pods_stay_and_the_refusal_says_what_is_missing() -> None:
    with pytest.raises(preemption.NoVictims, match=r"reclaim resources: \[\(res: cpu, q: 400\), \]$"):
        chosen([pod("critical", "2", priority=CRITICAL)], cpu="0.4")
