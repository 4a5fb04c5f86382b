"""How many replicas a metric asks for."""

from datetime import timedelta
from typing import Any

import pytest

from pinnace.controllers.horizontalpodautoscaling import calculator
from pinnace.controllers.horizontalpodautoscaling.calculator import (
    NotComputable,
    Proposal,
    Reading,
    Tolerances,
    Warmup,
)
from unit.controllers import builders
from unit.controllers.builders import NOW, ago

TOLERANCES = Tolerances()
COMMON: Any = {"warmup": Warmup(), "now": NOW}


def pod(
    name: str,
    *,
    request: str | None = "1",
    phase: str = "Running",
    ready: bool = True,
    started: float = 1000,
    turned: float = 900,
    **metadata: Any,
) -> dict[str, Any]:
    obj = builders.pod(name, phase=phase, ready=ready, ready_for=turned, **metadata)
    obj["status"]["startTime"] = ago(started)
    if request is not None:
        obj["spec"]["containers"][0]["resources"] = {"requests": {"cpu": request}}
    return obj


def readings(*millis: int, age: float = 0) -> dict[str, Reading]:
    when = NOW - timedelta(seconds=age)
    return {f"p{i}": Reading(milli, when, timedelta(minutes=1)) for i, milli in enumerate(millis)}


def by_utilization(current: int, pods: list[Any], used: Any, target: int, **more: Any) -> Proposal:
    tolerances = more.pop("tolerances", TOLERANCES)
    return calculator.by_utilization(
        current, pods, used, target, tolerances, resource=more.pop("resource", "cpu"), **COMMON, **more
    )


@pytest.mark.parametrize(
    ("used", "target", "expected"),
    [
        ((300, 500, 700), 30, Proposal(5, 500, 50)),  # up: 50 % of 30 %
        ((100, 300, 500, 250, 250), 50, Proposal(3, 280, 28)),  # down
        ((1010, 1030, 1020), 100, Proposal(3, 1020, 102)),  # within the tolerance
        ((1110, 1110, 1110), 100, Proposal(4, 1110, 111)),  # just outside of it
        ((890, 890, 890), 100, Proposal(3, 890, 89)),  # outside, and rounded up to the same
        ((0, 0), 50, Proposal(0, 0, 0)),
    ],
)
def test_utilization_follows_the_ratio(used: tuple[int, ...], target: int, expected: Proposal) -> None:
    pods = [pod(f"p{i}") for i in range(len(used))]
    assert by_utilization(len(used), pods, readings(*used), target) == expected


def test_missing_readings_count_as_full_on_the_way_down() -> None:
    pods = [pod(f"p{i}") for i in range(4)]
    assert by_utilization(4, pods, readings(100, 100, 100), 50).replicas == 3  # (300 + 1000) / 4000 = 32 %
    assert by_utilization(4, pods, readings(400, 400, 400), 50).replicas == 4  # 55 %: it would turn round


def test_missing_readings_count_as_nothing_on_the_way_up() -> None:
    pods = [pod(f"p{i}") for i in range(4)]
    assert by_utilization(4, pods, readings(1000, 1000, 1000), 50).replicas == 6  # 75 % instead of 100 %
    assert by_utilization(4, pods, readings(600, 600, 600), 50).replicas == 4  # 45 %: it would turn round


def test_missing_readings_count_for_more_than_full_when_the_target_is_above_it() -> None:
    pods = [pod(f"p{i}") for i in range(2)]
    assert by_utilization(2, pods, readings(1000), 200).replicas == 2


@pytest.mark.parametrize(
    "young",
    [
        {"ready": False, "started": 60, "turned": 50},  # starting
        {"ready": True, "started": 60, "turned": 10},  # ready, but the reading began before that
        {"ready": False, "started": 400, "turned": 390},  # never became ready
        {"phase": "Pending"},
    ],
)
def test_cpu_of_pods_that_are_not_up_yet_is_not_believed(young: dict[str, Any]) -> None:
    pods = [pod("p0"), pod("p1"), pod("p2", **young)]
    assert by_utilization(3, pods, readings(1000, 1000, 5000), 50).replicas == 4  # they count as idle
    assert by_utilization(3, pods, readings(250, 250, 5000), 50).replicas == 1  # they do not count


def test_a_pod_that_was_ready_once_is_believed_while_it_is_unready() -> None:
    pods = [pod("p0"), pod("p1", ready=False, started=1000, turned=100)]
    assert by_utilization(2, pods, readings(1000, 1000), 50).replicas == 4


def test_memory_of_young_pods_is_believed() -> None:
    pods = [pod("p0", started=10, turned=5)]
    pods[0]["spec"]["containers"][0]["resources"]["requests"]["memory"] = "1"
    assert by_utilization(1, pods, readings(2000), 100, resource="memory").replicas == 2


def test_pods_that_failed_or_leave_do_not_count() -> None:
    gone = [pod("p1", phase="Failed"), pod("p2", deletionTimestamp=ago(1))]
    assert by_utilization(3, [pod("p0"), *gone], readings(500, 9000, 9000), 50).replicas == 3
    assert by_utilization(3, [pod("p0"), *gone], readings(1000, 9000, 9000), 50).replicas == 2


@pytest.mark.parametrize(
    ("pods", "used", "why"),
    [
        ([], readings(1), "no pods returned by selector while calculating replica count"),
        (
            [pod("p0", phase="Pending")],
            readings(1),
            "did not receive metrics for targeted pods (pods might be unready)",
        ),
        ([pod("p0", request=None)], readings(1), "missing request for cpu in container main of Pod p0"),
        ([pod("p0", request="0")], readings(1), "no metrics returned matched known pods"),
    ],
)
def test_says_why_there_is_no_number(pods: list[Any], used: Any, why: str) -> None:
    with pytest.raises(NotComputable) as caught:
        by_utilization(1, pods, used, 50)
    assert str(caught.value) == why


def test_requests_of_one_container_of_sidecars_and_of_the_pod() -> None:
    obj = pod("p0")
    obj["spec"]["containers"].append({"name": "other"})
    obj["spec"]["initContainers"] = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m"}}},
        {"name": "once", "resources": {"requests": {"cpu": "9"}}},
    ]
    assert calculator.requests_of([obj], "cpu", "main") == {"p0": 1000}
    with pytest.raises(NotComputable, match="container other of Pod p0"):
        calculator.requests_of([obj], "cpu", "")
    obj["spec"]["containers"].pop()
    assert calculator.requests_of([obj], "cpu", "") == {"p0": 1250}
    obj["spec"]["resources"] = {"requests": {"cpu": "3"}}
    assert calculator.requests_of([obj], "cpu", "") == {"p0": 3000}


def test_average_value() -> None:
    pods = [pod(f"p{i}", request=None) for i in range(3)]

    def average(target: int, *used: int) -> Proposal:
        return calculator.by_average(3, pods, readings(*used), target, TOLERANCES, **COMMON)

    assert average(15_000, 20_000, 10_000, 30_000) == Proposal(4, 20_000)
    assert average(20_000, 12_000, 12_000, 12_000) == Proposal(2, 12_000)
    assert average(20_000, 40_000, 40_000) == Proposal(4, 40_000)  # the third counts as idle
    assert average(20_000, 10_000, 10_000) == Proposal(2, 10_000)  # the third counts as 20


def test_own_tolerances_differ_by_direction() -> None:
    pods = [pod(f"p{i}") for i in range(10)]
    strict = Tolerances(up=0.01, down=0.5)
    assert by_utilization(10, pods, readings(*[520] * 10), 50, tolerances=strict).replicas == 11
    assert by_utilization(10, pods, readings(*[300] * 10), 50, tolerances=strict).replicas == 10


def test_one_value_for_all_in_proportion_to_ready_pods() -> None:
    pods = [pod("p0"), pod("p1"), pod("p2", ready=False)]
    assert calculator.by_value(3, pods, 40_000, 20_000, TOLERANCES) == Proposal(4, 40_000)
    assert calculator.by_value(3, pods, 21_000, 20_000, TOLERANCES) == Proposal(3, 21_000)
    assert calculator.by_value(0, [], 50_000, 20_000, TOLERANCES) == Proposal(3, 50_000)
    with pytest.raises(NotComputable, match="unable to calculate ready pods"):
        calculator.by_value(1, [], 50_000, 20_000, TOLERANCES)


def test_one_value_shared_among_pods() -> None:
    assert calculator.by_share(2, 90_000, 30_000, TOLERANCES) == Proposal(3, 45_000)
    assert calculator.by_share(3, 92_000, 30_000, TOLERANCES) == Proposal(3, 30_667)
    assert calculator.by_share(0, 90_000, 30_000, TOLERANCES).replicas == 3
