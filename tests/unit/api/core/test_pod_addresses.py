"""Addresses in a pod's status come from nodes: what is none is refused, as upstream refuses it."""

from typing import Any

import pytest

from pinnace.api.core.pod_addresses import validate_addresses


def told(new: dict[str, Any], old: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [(cause.field, cause.message.rpartition(": ")[2]) for cause in validate_addresses(new, old or {})]


@pytest.mark.parametrize("good", [
    {}, {"podIP": "10.0.0.1"}, {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, {"hostIP": "192.0.2.1"},
])  # fmt: skip
def test_addresses_are_taken(good: dict[str, Any]) -> None:
    assert told(good) == []


@pytest.mark.parametrize(("wrong", "field"), [
    ({"podIPs": [{"ip": "fe80::1%x }\nflush ruleset"}]}, "status.podIPs[0]"), ({"podIP": "x y"}, "status.podIPs[0]"),
    ({"podIPs": [{}]}, "status.podIPs[0]"), ({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "x"}]}, "status.podIPs[1]"),
    ({"hostIPs": [{"ip": "x"}]}, "status.hostIPs[0]"),
])  # fmt: skip
def test_what_is_none_is_refused(wrong: dict[str, Any], field: str) -> None:
    assert told(wrong) == [
        (field, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".rpartition(": ")[2])
    ]


def test_one_of_each_family() -> None:
    two = {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}
    assert told(two) == [("status.podIPs", "may specify no more than one IP for each IP family")]


def test_what_was_there_may_stay() -> None:
    old = {"podIP": "none", "podIPs": [{"ip": "none"}]}
    assert told({**old, "phase": "Running"}, old) == []
    assert told({**old, "podIPs": [{"ip": "none"}, {"ip": "fd00::1"}]}, old) == []
