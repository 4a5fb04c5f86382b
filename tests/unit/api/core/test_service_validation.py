"""Validation of the fields of services that reach the kernel's rules, and of those that only load balancers have."""

import pytest

from pinnace.api import names
from pinnace.api.core.container_validation import _validate_port
from pinnace.api.core.service_exposure import service_warnings, validate_exposure_update
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


def test_external_addresses_lead_to_other_machines() -> None:
    assert problems(externalIPs=["127.0.0.1"]) == {"spec.externalIPs[0]"}
    assert problems(externalIPs=["169.254.1.1", "1.2.3.4"]) == {"spec.externalIPs[0]"}


def test_a_load_balancer_does_not_take_the_kubelets_port() -> None:
    ports = [{"port": 10250, "protocol": "TCP"}]
    assert problems(type="LoadBalancer", ports=ports) == {"spec.ports[0]"}
    assert not problems(ports=ports)


def test_a_name_has_no_address_families() -> None:
    found = problems(
        type="ExternalName", externalName="a.b", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack"
    )
    assert found == {"spec.ipFamilies", "spec.ipFamilyPolicy"}


def test_what_a_load_balancer_was_told_once_stays() -> None:
    old = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001, "loadBalancerClass": "a.b/c"}  # fmt: skip

    def found(**spec: object) -> list[str]:
        causes = validate_exposure_update({"spec": {**old, **spec}}, {"spec": old})
        return [f"{cause.field}: {cause.message}" for cause in causes]

    assert found() == []
    assert found(type="ClusterIP", loadBalancerClass=None) == []
    assert found(loadBalancerClass="a.b/d") == [
        'spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set'
    ]
    assert found(healthCheckNodePort=30002) == ["spec.healthCheckNodePort: Forbidden: field is immutable"]


def test_what_a_headless_service_does_not_use_is_said() -> None:
    spec = {
        "clusterIP": "None",
        "sessionAffinity": "ClientIP",
        "externalIPs": ["1.2.3.4"],
        "loadBalancerIP": "1.2.3.4",
    }
    assert list(service_warnings({"spec": spec})) == [
        'spec.loadBalancerIP is ignored when spec.clusterIP is "None"',
        'spec.externalIPs is ignored when spec.clusterIP is "None"',
        'spec.SessionAffinity is ignored when spec.clusterIP is "None"',
    ]
    assert list(service_warnings({"spec": {**spec, "clusterIP": ""}})) == []
