"""What counts as absent, and canonical times."""

import pytest

from pinnace.api import normalise
from pinnace.api.resources import CONTROLLER_REVISIONS
from pinnace.api.strategies import strategy_for


def test_nulls_empty_lists_and_empty_text_maps_are_absent_but_structures_stay():
    obj = {
        "labels": {},
        "spec": {
            "containers": [{"env": [], "resources": {"limits": {}}, "x": None}],
            "volumes": [],
            "securityContext": {},
            "replicas": 0,
            "paused": False,
            "hostname": "",
        },
    }
    normalise.drop_absent(obj)
    assert obj == {
        "spec": {
            "containers": [{"resources": {}}],
            "securityContext": {},
            "replicas": 0,
            "paused": False,
            "hostname": "",
        }
    }


def test_lists_that_upstream_always_writes_stay():
    obj = {"endpoints": [], "rules": [], "spec": {"containers": []}}
    normalise.drop_absent(obj)
    assert obj == {"endpoints": [], "rules": [], "spec": {"containers": []}}


def test_data_of_a_revision_is_not_touched():
    obj = {"metadata": {"name": "x", "labels": None}, "data": {"spec": None, "list": []}}
    strategy_for(CONTROLLER_REVISIONS).default(obj)
    assert obj == {"metadata": {"name": "x"}, "data": {"spec": None, "list": []}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("nonsense", "nonsense"),
    ],
)
def test_times(given, expected):
    assert normalise.time_text(given) == expected


def test_micro_times():
    assert normalise.micro_time_text("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05.000000Z"
