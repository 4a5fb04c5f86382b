"""What objects use of a quota: pods and their scopes, services, claims of volumes and devices, and everything that is only counted."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.api.quota import amounts
from pinnace.api.quota.evaluators import evaluator_for, resources_of
from pinnace.controllers.resourcequota.usage import decide

Object = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def usage(resource: str, obj: Object, group: str = "") -> dict[str, str]:
    return amounts.texts(evaluator_for(resource, group).usage(obj, NOW))


def pod(
    requests: Object | None = None, limits: Object | None = None, *, phase: str = "Running", **spec: Any
) -> Object:
    container = {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}}
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [container], **spec},
        "status": {"phase": phase},
    }


def test_a_pod_uses_what_it_requests_and_itself() -> None:
    gpu, pages = "example.com/gpu", "hugepages-2Mi"
    asked = {"cpu": "1500m", "memory": "1Gi", "ephemeral-storage": "2Gi", gpu: "3", pages: "4Mi"}
    assert usage("pods", pod(asked, {"cpu": "2", "memory": "2Gi", gpu: "3", pages: "4Mi"})) == {
        "count/pods": "1", "pods": "1", "cpu": "1500m", "requests.cpu": "1500m", "limits.cpu": "2",
        "memory": "1Gi", "requests.memory": "1Gi", "limits.memory": "2Gi",
        "ephemeral-storage": "2Gi", "requests.ephemeral-storage": "2Gi",
        f"requests.{gpu}": "3", pages: "4Mi", f"requests.{pages}": "4Mi",
    }  # fmt: skip


def test_a_pod_that_has_ended_is_only_counted() -> None:
    for phase in ("Succeeded", "Failed"):
        assert usage("pods", pod({"cpu": "1"}, phase=phase)) == {"count/pods": "1"}
    lost = pod({"cpu": "1"})
    lost["metadata"] |= {"deletionTimestamp": "2025-12-31T00:00:00Z", "deletionGracePeriodSeconds": 30}
    assert usage("pods", lost) == {"count/pods": "1"}
    lost["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert usage("pods", lost)["cpu"] == "1"


def requirement(scope: str, operator: str = "Exists", *values: str) -> Object:
    return {"scopeName": scope, "operator": operator, "values": list(values)}


CROSS = {
    "podAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": {"namespaceSelector": {}}}]
    }
}
SAME = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "z"}]}}
SCOPES = [
    (requirement("Terminating"), {"activeDeadlineSeconds": 5}, {}),
    (requirement("NotTerminating"), {}, {"activeDeadlineSeconds": 5}),
    (requirement("PriorityClass"), {"priorityClassName": "a"}, {}),
    (requirement("PriorityClass", "In", "a", "b"), {"priorityClassName": "b"}, {"priorityClassName": "c"}),
    (requirement("PriorityClass", "NotIn", "a"), {}, {"priorityClassName": "a"}),
    (requirement("PriorityClass", "DoesNotExist"), {}, {"priorityClassName": "a"}),
    (requirement("CrossNamespacePodAffinity"), {"affinity": CROSS}, {"affinity": SAME}),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "inside", "outside"), SCOPES)
def test_scopes_of_pods(scope: Object, inside: Object, outside: Object) -> None:
    quota = {"spec": {"scopeSelector": {"matchExpressions": [scope]}}}
    evaluator = evaluator_for("pods", "")
    assert evaluator.matches(quota, ["pods"], pod(**inside))
    assert not evaluator.matches(quota, ["pods"], pod(**outside))
    assert not evaluator.matches(quota, ["services"], pod(**inside))


def test_quality_of_service_is_a_scope() -> None:
    evaluator = evaluator_for("pods", "")
    best, other = {"spec": {"scopes": ["BestEffort"]}}, {"spec": {"scopes": ["NotBestEffort"]}}
    assert evaluator.matches(best, ["pods"], pod())
    assert not evaluator.matches(other, ["pods"], pod())
    assert evaluator.matches(other, ["pods"], pod({"cpu": "1"}))
    assert not evaluator.matches(best, ["pods"], pod({"cpu": "1"}))


def test_what_every_container_must_say() -> None:
    evaluator = evaluator_for("pods", "")
    both = pod({"cpu": "1"}, initContainers=[{"name": "i"}])
    both["spec"]["containers"].append({"name": "d"})
    assert evaluator.missing(["cpu", "limits.memory", "pods"], both) == (
        "must specify cpu for: d,i; limits.memory for: c,d,i"
    )
    assert evaluator.missing(["pods", "requests.ephemeral-storage"], both) == ""
    assert evaluator.missing(["cpu"], pod(resources={"requests": {"cpu": "1"}})) == ""


def test_services() -> None:
    ports = [{"port": 80, "nodePort": 30000}, {"port": 81}]

    def used(**spec: Any) -> tuple[str, str]:
        found = usage("services", {"spec": {"ports": ports, **spec}})
        return found["services.nodeports"], found["services.loadbalancers"]

    assert used() == ("0", "0")
    assert used(type="NodePort") == ("2", "0")
    assert used(type="LoadBalancer") == ("2", "1")
    assert used(type="LoadBalancer", allocateLoadBalancerNodePorts=False) == ("1", "1")


def test_claims_of_volumes() -> None:
    spec: Object = {"resources": {"requests": {"storage": "5Gi"}}, "storageClassName": "gold"}
    claim = {"metadata": {"name": "c"}, "spec": spec, "status": {"allocatedResources": {"storage": "8Gi"}}}
    assert usage("persistentvolumeclaims", claim) == {
        "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "8Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "8Gi",
    }  # fmt: skip
    evaluator = evaluator_for("persistentvolumeclaims", "")
    scope = requirement("VolumeAttributesClass", "In", "fast")
    quota = {"spec": {"scopeSelector": {"matchExpressions": [scope]}}}
    hard = ["requests.storage"]
    assert not evaluator.matches(quota, hard, claim)
    claim["status"] = {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "fast"}}
    assert evaluator.matches(quota, hard, claim)


def test_claims_of_devices() -> None:
    requests = [
        {"name": "a", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2}},
        {"name": "b", "exactly": {"deviceClassName": "gpu", "allocationMode": "All"}},
        {
            "name": "c",
            "firstAvailable": [
                {"deviceClassName": "net", "count": 3},
                {"deviceClassName": "net", "count": 1},
            ],
        },
    ]
    claim = {"metadata": {"name": "c"}, "spec": {"devices": {"requests": requests}}}
    assert usage("resourceclaims", claim, "resource.k8s.io") == {
        "count/resourceclaims.resource.k8s.io": "1",
        "gpu.deviceclass.resource.k8s.io/devices": "34",
        "net.deviceclass.resource.k8s.io/devices": "3",
    }


def test_everything_else_is_counted_by_name_and_group() -> None:
    assert usage("widgets", {}, "example.com") == {"count/widgets.example.com": "1"}
    assert usage("secrets", {}) == {"count/secrets": "1", "secrets": "1"}
    assert resources_of(["count/widgets.example.com", "requests.cpu", "secrets", "requests.example.com/gpu", "cats"]) == {
        ("widgets", "example.com"), ("pods", ""), ("secrets", ""),
    }  # fmt: skip


def quota_with(hard: int, used: int | None) -> Object:
    status = {} if used is None else {"hard": {"pods": str(hard)}, "used": {"pods": str(used)}}
    return {"metadata": {"name": "q"}, "spec": {"hard": {"pods": str(hard)}}, "status": status}


def pods(count: int) -> dict[str, Decimal]:
    return {"pods": Decimal(count)}


def test_a_status_goes_up_at_once_and_down_when_it_has_settled() -> None:
    assert decide(quota_with(5, None), pods(2), None).status == {"hard": {"pods": "5"}, "used": {"pods": "2"}}
    assert decide(quota_with(5, 2), pods(3), None).status == {"hard": {"pods": "5"}, "used": {"pods": "3"}}
    first = decide(quota_with(5, 3), pods(1), None)
    assert (first.status, first.is_settled) == (None, False)
    later = decide(quota_with(5, 3), pods(1), pods(3))
    assert (later.status, later.is_settled) == ({"hard": {"pods": "5"}, "used": {"pods": "1"}}, True)
    busy = decide(
        quota_with(5, 4), pods(1), pods(3)
    )  # one more was charged meanwhile: it may not be there yet
    assert (busy.status, busy.is_settled) == ({"hard": {"pods": "5"}, "used": {"pods": "2"}}, False)
    assert decide(quota_with(5, 2), pods(2), None).status is None


@given(
    before=st.integers(0, 50), charged=st.integers(0, 50), arrived=st.integers(0, 50), gone=st.integers(0, 50)
)
def test_no_charge_that_is_under_way_is_ever_given_back(
    before: int, charged: int, arrived: int, gone: int
) -> None:
    """`before` were charged and there when the count began; `charged` more since, of which `arrived` are counted."""
    arrived, gone = min(arrived, charged), min(gone, before)
    verdict = decide(quota_with(999, before + charged), pods(before - gone + arrived), pods(before))
    status = verdict.status or quota_with(999, before + charged)["status"]
    left = int(status["used"]["pods"])
    assert before - gone + charged <= left <= before + charged
