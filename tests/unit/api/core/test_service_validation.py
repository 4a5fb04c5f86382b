"""Validation of the fields of services that reach the kernel's rules, and of those that only load balancers have."""

import pytest

from pinnace.api import names
from pinnace.api.core.container_validation import _validate_port
from pinnace.api.core.service_validation import validate_service, validate_service_status


def problems(**spec: object) -> set[str]:
    defaults = {"type": "ClusterIP", "sessionAffinity": "None", "ports": [{"port": 80, "protocol": "TCP"}]}
    return {cause.field for cause in validate_service({"spec": {**defaults, **spec}})}


@pytest.mark.parametrize(
    "text", ["0.0.0.0/0 } ; flush ruleset", "10.0.0.0", "10.0.0.0/255.0.0.0", "fe80::1%eth0/64"]
)
def test_source_ranges_are_cidrs(text: str) -> None:
    assert problems(type="LoadBalancer", loadBalancerSourceRanges=[text]) == {
        "spec.loadBalancerSourceRanges[0]"
    }
    assert not problems(type="LoadBalancer", loadBalancerSourceRanges=[" 10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loadBalancerSourceRanges", ["10.0.0.0/8"]),
        ("loadBalancerClass", "example.com/one"),
        ("allocateLoadBalancerNodePorts", True),
        ("healthCheckNodePort", 30000),
    ],
)
def test_fields_of_load_balancers_are_refused_elsewhere(field: str, value: object) -> None:
    assert problems(**{field: value}) == {f"spec.{field}"}


def test_traffic_distribution_is_one_of_three() -> None:
    assert problems(trafficDistribution="PreferNobody") == {"spec.trafficDistribution"}
    assert not problems(trafficDistribution="PreferSameNode")


def test_a_zone_is_no_part_of_an_address() -> None:
    assert names.ip_address("fe80::1%} ; flush ruleset")
    assert not names.ip_address("fe80::1")


def test_load_balancers_report_addresses() -> None:
    hostile = {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4 }"}, {"hostname": "1.2.3.4"}]}}}
    assert [cause.field for cause in validate_service_status(hostile)] == [
        "status.loadBalancer.ingress[0].ip",
        "status.loadBalancer.ingress[1].hostname",
    ]


def test_host_ports_name_an_address() -> None:
    port = {"containerPort": 80, "hostPort": 80, "protocol": "TCP", "hostIP": "127.0.0.1 . tcp"}
    assert [cause.field for cause in _validate_port(port, "ports[0]", False)] == ["ports[0].hostIP"]
