"""When a range of service addresses is ready, and when it may go."""

from datetime import UTC, datetime, timedelta

import pytest

from pinnace.api.networking import ipaddresses
from pinnace.apimachinery.times import format_time
from pinnace.controllers.runtime import Patch, RequeueAfter, SetStatus, World
from pinnace.controllers.servicecidr import FINALIZER, reconcile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READY = {
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
    ]
}


def cidr(name, *ranges, deleted=None, finalizers=(FINALIZER,), status=READY):
    metadata = {"name": name, "finalizers": list(finalizers), "uid": name}
    if deleted is not None:
        metadata["deletionTimestamp"] = format_time(NOW - timedelta(seconds=deleted))
    return {
        "kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": metadata,
        "spec": {"cidrs": list(ranges)}, "status": status,
    }  # fmt: skip


def address(text, **labels):
    labels = labels or {ipaddresses.MANAGED_BY_LABEL: ipaddresses.ALLOCATOR}
    metadata = {"name": text, "labels": labels}
    return {"kind": "IPAddress", "apiVersion": "networking.k8s.io/v1", "metadata": metadata, "spec": {}}


def decide(obj, *others):
    return list(reconcile(obj, World.of([obj, *others], NOW)))


def test_a_new_range_gets_the_finalizer_and_then_the_condition():
    (first,) = decide(cidr("a", "10.0.0.0/24", finalizers=(), status={}))
    assert first == Patch(first.obj, {"metadata": {"finalizers": [FINALIZER]}}, guarded=True)
    (second,) = decide(cidr("a", "10.0.0.0/24", status={}))
    assert isinstance(second, SetStatus)
    assert second.status["conditions"][0] | {"lastTransitionTime": ""} == {
        "type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready", "lastTransitionTime": "",
    }  # fmt: skip
    assert decide(cidr("a", "10.0.0.0/24")) == []


def test_a_range_with_addresses_of_its_own_stays():
    (verdict,) = decide(cidr("a", "10.0.0.0/24", deleted=60), address("10.0.0.7"))
    assert verdict.status["conditions"][0]["status"] == "False"
    assert verdict.status["conditions"][0]["reason"] == "Terminating"


@pytest.mark.parametrize(
    "others",
    [
        [address("10.0.1.7")],
        [address("10.0.0.7", who="else")],
        [address("10.0.0.7"), cidr("b", "10.0.0.0/16")],
        [address("10.0.0.7"), cidr("b", "10.0.0.0/28")],
    ],
    ids=["elsewhere", "not of a service", "contained in another", "also in a smaller one"],
)
def test_a_range_that_nobody_needs_goes_after_a_while(others):
    assert decide(cidr("a", "10.0.0.0/24", deleted=4), *others) == [RequeueAfter(6.0)]
    (last,) = decide(cidr("a", "10.0.0.0/24", deleted=11), *others)
    assert last.body == {"metadata": {"finalizers": []}}
