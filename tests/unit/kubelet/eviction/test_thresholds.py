"""When eviction acts: thresholds, grace periods, minimum reclaim, conditions."""

from dataclasses import dataclass, field

import pytest

from pinnace.kubelet.eviction import as_met
from pinnace.kubelet.eviction_thresholds import Observation, Threshold, Watch, thresholds

GIB = 1024**3
MIB = 1024**2


@dataclass
class Settings:
    eviction_hard: dict[str, str] = field(default_factory=dict)
    eviction_soft: dict[str, str] = field(default_factory=dict)
    eviction_soft_grace_seconds: dict[str, float] = field(default_factory=dict)
    eviction_minimum_reclaim: dict[str, str] = field(default_factory=dict)


def free(mebibytes: int) -> dict[str, Observation]:
    return {"memory.available": Observation(mebibytes * MIB, GIB)}


def test_quantities_and_percentages_are_thresholds() -> None:
    listed = thresholds(
        Settings({"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"})
    )
    observed = {
        "memory.available": Observation(99 * MIB, GIB),
        "nodefs.available": Observation(10 * GIB, 99 * GIB),
        "nodefs.inodesFree": Observation(0, 0),  # a filesystem that does not count them
    }
    met = [one for one in listed if one.is_met(observed)]
    assert [one.signal for one in met] == ["memory.available"]
    assert [one.signal for one in listed if one.signal not in observed] == ["allocatableMemory.available"]
    assert (as_met(met[0], observed).quantity, as_met(met[0], observed).available) == ("100Mi", "99Mi")


def test_memory_comes_first() -> None:
    listed = thresholds(Settings({"imagefs.available": "15%", "memory.available": "1Gi"}))
    observed = {"imagefs.available": Observation(0, GIB), "memory.available": Observation(0, GIB)}
    acting = Watch().look(listed, observed, 0)
    assert [(one.signal, as_met(one, observed).quantity) for one in acting] == [
        ("memory.available", "1Gi"),
        ("imagefs.available", "161061273"),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings({"nonsense": "1"}), "unsupported eviction signal nonsense"),
        (Settings({"memory.available": "lots"}), "quantities must match"),
        (
            Settings(eviction_soft={"memory.available": "1Gi"}),
            "grace period must be specified for the soft eviction threshold memory.available",
        ),
        (Settings({"memory.available": "-1"}), "must be positive"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(settings: Settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        thresholds(settings)


def test_none_and_all_of_a_resource_turn_a_threshold_off() -> None:
    assert thresholds(Settings({"nodefs.available": "0%", "imagefs.available": "100%"})) == ()


def test_a_soft_threshold_acts_after_its_grace_period_without_a_break() -> None:
    soft = thresholds(Settings({}, {"memory.available": "200Mi"}, {"memory.available": 60}))
    watch = Watch()
    assert watch.look(soft, free(100), 0) == ()
    assert watch.pressures(0, 300) == {"MemoryPressure"}
    assert watch.look(soft, free(300), 30) == ()
    assert watch.look(soft, free(100), 60) == ()
    assert watch.look(soft, free(100), 119) == ()
    assert watch.look(soft, free(100), 120) == soft


def test_what_acts_goes_on_until_the_minimum_is_reclaimed() -> None:
    one = Threshold("memory.available", "100Mi", minimum_reclaim="50Mi")
    watch = Watch()
    assert watch.look([one], free(120), 0) == ()
    assert watch.look([one], free(90), 1) == (one,)
    assert watch.look([one], free(120), 2) == (one,)
    assert watch.look([one], free(150), 3) == ()
    assert watch.look([one], free(120), 4) == ()


def test_a_condition_holds_for_the_transition_period() -> None:
    one = Threshold("pid.available", "10%")
    watch = Watch()
    watch.look([one], {"pid.available": Observation(0, 100)}, 0)
    watch.look([one], {"pid.available": Observation(50, 100)}, 10)
    assert watch.pressures(299, 300) == {"PIDPressure"}
    assert watch.pressures(300, 300) == set()
