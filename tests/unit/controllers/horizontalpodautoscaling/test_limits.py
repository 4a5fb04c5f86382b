"""What may be done about a recommendation: windows, policies, least and most replicas."""

from typing import Any

import pytest

from pinnace.controllers.horizontalpodautoscaling.limits import History, Stamped, Verdict, decide

UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def judge(
    current: int, wanted: int, history: History | None = None, now: float = 1000, **spec: Any
) -> Verdict:
    whole = {"minReplicas": 1, "maxReplicas": 100, **spec}
    return decide(whole, history or History(), current, wanted, now, downscale_window=300)


def behavior(up: dict[str, Any] | None = None, down: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "scaleUp": {**UP, **(up or {})},
        "scaleDown": {**DOWN, "stabilizationWindowSeconds": 0, **(down or {})},
    }


@pytest.mark.parametrize(
    ("current", "wanted", "replicas", "reason"),
    [
        (3, 5, 5, "DesiredWithinRange"),
        (1, 9, 4, "ScaleUpLimit"),
        (10, 30, 20, "ScaleUpLimit"),
        (60, 110, 100, "TooManyReplicas"),
        (3, 0, 1, "TooFewReplicas"),
        (3, 1, 1, "DesiredWithinRange"),
    ],
)
def test_without_a_behavior_at_most_double_or_four(
    current: int, wanted: int, replicas: int, reason: str
) -> None:
    verdict = judge(current, wanted)
    assert (verdict.replicas, verdict.limit[0]) == (replicas, reason)
    assert verdict.limited == (reason != "DesiredWithinRange")


def test_the_highest_recommendation_of_five_minutes_holds_on_the_way_down() -> None:
    history = History()
    assert judge(5, 5, history, now=0).replicas == 5
    held = judge(5, 2, history, now=299)
    assert (held.replicas, held.able[0]) == (5, "ScaleDownStabilized")
    freed = judge(5, 2, history, now=301)
    assert (freed.replicas, freed.able[0]) == (2, "ReadyForNewScale")


def test_windows_of_a_behavior_hold_both_ways() -> None:
    history = History([Stamped(3, 990.0), Stamped(8, 950.0)])
    spec = {
        "behavior": behavior({"stabilizationWindowSeconds": 30}, {"stabilizationWindowSeconds": 60}),
    }
    up = judge(5, 20, history, **spec)
    assert (up.replicas, up.able[0]) == (5, "ScaleUpStabilized")
    down = judge(9, 2, History([Stamped(8, 950.0)]), **spec)
    assert (down.replicas, down.able[0]) == (8, "ScaleDownStabilized")


def test_a_behavior_without_a_window_for_scaling_down_has_the_usual_one() -> None:
    both = {"scaleUp": UP, "scaleDown": DOWN}
    assert judge(5, 2, History([Stamped(5, 701.0)]), behavior=both).replicas == 5
    assert judge(5, 2, History([Stamped(5, 699.0)]), behavior=both).replicas == 2


@pytest.mark.parametrize(
    ("rules", "current", "replicas"),
    [
        ({}, 2, 6),  # four pods beat 100 %
        ({}, 10, 20),
        ({"selectPolicy": "Min"}, 10, 14),
        ({"selectPolicy": "Disabled"}, 10, 10),
        ({"policies": [{"type": "Percent", "value": 1, "periodSeconds": 60}]}, 10, 11),  # rounded up
    ],
)
def test_policies_limit_the_way_up(rules: dict[str, Any], current: int, replicas: int) -> None:
    verdict = judge(current, 90, behavior=behavior(rules))
    assert (verdict.replicas, verdict.limited, verdict.limit[0]) == (replicas, True, "ScaleUpLimit")


@pytest.mark.parametrize(
    ("rules", "current", "replicas"),
    [
        ({"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}, 10, 8),
        ({"policies": [{"type": "Percent", "value": 15, "periodSeconds": 60}]}, 10, 8),  # 8.5
        ({"selectPolicy": "Disabled"}, 10, 10),
        (
            {
                "selectPolicy": "Min",
                "policies": [
                    {"type": "Pods", "value": 2, "periodSeconds": 60},
                    {"type": "Percent", "value": 50, "periodSeconds": 60},
                ],
            },
            10,
            8,
        ),
    ],
)
def test_policies_limit_the_way_down(rules: dict[str, Any], current: int, replicas: int) -> None:
    verdict = judge(current, 1, behavior=behavior(down=rules))
    assert (verdict.replicas, verdict.limited, verdict.limit[0]) == (replicas, True, "ScaleDownLimit")


def test_what_was_changed_in_the_period_counts() -> None:
    rules = behavior({"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]})
    history = History()
    history.note_change(rules, 2, 5, now=960)
    assert judge(5, 50, history, behavior=rules).replicas == 6  # one of four is left
    history.note_change(rules, 5, 9, now=961)
    assert judge(9, 50, history, behavior=rules).replicas == 9  # it never goes back for it
    assert judge(9, 50, history, now=1030, behavior=rules).replicas == 13


def test_least_and_most_stand_above_policies() -> None:
    assert judge(90, 150, behavior=behavior()).limit[0] == "TooManyReplicas"
    low = judge(3, 0, behavior=behavior())
    assert (low.replicas, low.limit[0]) == (1, "TooFewReplicas")
