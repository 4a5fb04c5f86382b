"""Families that a service gets, from what its user said and what the cluster has."""

import pytest

from pinnace.apiserver.registry.service_families import settle

DUAL, SINGLE = ("IPv4", "IPv6"), ("IPv4",)


def settled(spec, configured=DUAL, old=None):
    new = {"spec": {"selector": {"a": "b"}, **spec}}
    found = settle(new, old and {"spec": old}, configured)
    return [f"{c.field}: {c.message}" for c in found] or (
        new["spec"]["ipFamilyPolicy"], new["spec"]["ipFamilies"], new["spec"].get("clusterIPs"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "configured", "expected"),
    [
        ({}, SINGLE, ("SingleStack", ["IPv4"], None)),
        ({}, ("IPv6", "IPv4"), ("SingleStack", ["IPv6"], None)),
        ({"ipFamilyPolicy": "PreferDualStack"}, SINGLE, ("PreferDualStack", ["IPv4"], None)),
        ({"ipFamilyPolicy": "PreferDualStack"}, DUAL, ("PreferDualStack", ["IPv4", "IPv6"], None)),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, DUAL, ("RequireDualStack", ["IPv6", "IPv4"], None)),
        ({"clusterIPs": ["fd00::5"]}, DUAL, ("SingleStack", ["IPv6"], ["fd00::5"])),
        ({"clusterIPs": ["10.0.0.5", "fd00::5"]}, DUAL, ("RequireDualStack", ["IPv4", "IPv6"], ["10.0.0.5", "fd00::5"])),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, DUAL, ("SingleStack", ["IPv4"], ["None"])),
        ({"clusterIP": "None", "clusterIPs": ["None"], "selector": {}}, SINGLE, ("RequireDualStack", ["IPv4", "IPv6"], ["None"])),
    ],
)  # fmt: skip
def test_what_is_filled_in(spec, configured, expected):
    assert settled(spec, configured) == expected


@pytest.mark.parametrize(
    ("spec", "configured", "message"),
    [
        ({"ipFamilyPolicy": "RequireDualStack"}, SINGLE, 'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'),
        ({"ipFamilies": ["IPv6"]}, SINGLE, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}, DUAL, 'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be RequireDualStack or PreferDualStack when multiple `ipFamilies` are specified'),
        ({"ipFamilies": ["IPv6"], "clusterIPs": ["10.0.0.1"]}, DUAL, 'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'),
    ],
)  # fmt: skip
def test_what_cannot_be(spec, configured, message):
    assert settled(spec, configured) == [message]


def test_a_service_that_becomes_single_stack_loses_its_second_address():
    had = {"ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["10.0.0.1", "fd00::1"]}
    assert settled({**had, "ipFamilyPolicy": "SingleStack"}, old=had) == (
        "SingleStack", ["IPv4"], ["10.0.0.1"],
    )  # fmt: skip
