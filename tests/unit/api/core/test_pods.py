"""Predicates of pods."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pinnace.api.core import pod_resources, pods

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def pod(spec=None, status=None, **metadata):
    return {"metadata": {"name": "p", **metadata}, "spec": spec or {}, "status": status or {}}


def container(requests=None, limits=None, **more):
    resources = {k: v for k, v in (("requests", requests), ("limits", limits)) if v}
    return {"name": "c", "resources": resources, **more}


@pytest.mark.parametrize(
    ("subject", "active"),
    [
        (pod(status={"phase": "Running"}), True),
        (pod(status={"phase": "Failed"}), False),
        (pod(status={"phase": "Succeeded"}), False),
        (pod(status={"phase": "Running"}, deletionTimestamp="2026-01-01T00:00:00Z"), False),
    ],
)
def test_active_means_neither_finished_nor_terminating(subject, active):
    assert pods.is_active(subject) is active


def test_available_only_after_min_ready_seconds():
    ready = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:00Z"}]
    subject = pod(status={"conditions": ready})
    assert pods.is_available(subject, 0, NOW)
    assert pods.is_available(subject, 5, NOW)
    assert not pods.is_available(subject, 6, NOW)
    assert not pods.is_available(pod(), 0, NOW)


def test_condition_keeps_its_transition_time_while_the_status_stays():
    first = pods.set_condition([], "Ready", "False", "Why", now=NOW)
    again = pods.set_condition(first, "Ready", "False", "Other", "text", now=NOW + timedelta(hours=1))
    turned = pods.set_condition(again, "Ready", "True", now=NOW + timedelta(hours=2))
    assert first == [
        {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "Why"}
    ]
    assert again[0]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert again[0]["message"] == "text"
    assert turned == [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T05:04:05Z"}]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [container({"cpu": "100m"}), container({"cpu": "1"})]}, {"cpu": Decimal("1.1")}),
        (
            {"containers": [container({"cpu": "1"})], "initContainers": [container({"cpu": "3"})]},
            {"cpu": Decimal(3)},
        ),
        (  # a sidecar runs beside the app and beside later init containers
            {
                "containers": [container({"cpu": "1"})],
                "initContainers": [
                    container({"cpu": "2"}, restartPolicy="Always"),
                    container({"cpu": "4"}),
                ],
            },
            {"cpu": Decimal(6)},
        ),
        (
            {"containers": [container({"memory": "1Gi"})], "overhead": {"memory": "1Mi"}},
            {"memory": Decimal(1024**3 + 1024**2)},
        ),
        (
            {"containers": [container({"cpu": "1"})], "resources": {"requests": {"cpu": "5"}}},
            {"cpu": Decimal(5)},
        ),
    ],
)
def test_requests_are_what_the_scheduler_reserves(spec, expected):
    assert pods.requests(pod(spec)) == expected


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([container()], "BestEffort"),
        ([container({"ephemeral-storage": "1Gi"})], "BestEffort"),
        ([container(BOTH, BOTH)], "Guaranteed"),
        ([container(BOTH, BOTH), container()], "Burstable"),
        ([container({"cpu": "500m", "memory": "1Gi"}, BOTH)], "Burstable"),
        ([container({"cpu": "1"})], "Burstable"),
    ],
)
def test_quality_of_service(containers, expected):
    assert pod_resources.compute_qos_class({"containers": containers}) == expected


def test_a_pod_from_a_template_belongs_to_its_owner_and_shares_nothing():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u", "controller": True}
    made = pods.from_template(template, owner, namespace="default")
    assert made["metadata"] == {
        "generateName": "web-1-",
        "namespace": "default",
        "labels": {"a": "b"},
        "ownerReferences": [owner],
    }
    made["spec"]["containers"][0]["name"] = made["metadata"]["labels"]["a"] = "changed"
    assert template == {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}


def test_host_ports_of_sidecars_count_but_not_those_of_init_containers():
    ports = [{"hostPort": 80, "protocol": "UDP", "hostIP": "10.0.0.1"}, {"containerPort": 1}]
    spec = {
        "containers": [{"ports": ports}],
        "initContainers": [
            {"ports": [{"hostPort": 1}]},
            {"restartPolicy": "Always", "ports": [{"hostPort": 2}]},
        ],
    }
    assert list(pods.host_ports(pod(spec))) == [("UDP", "10.0.0.1", 80), ("TCP", "0.0.0.0", 2)]
