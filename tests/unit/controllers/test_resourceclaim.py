"""Claims made from templates, and their reservations."""

from datetime import timedelta
from typing import Any

from pinnace.api import meta
from pinnace.controllers.resourceclaim import claims, templates
from pinnace.controllers.runtime import Create, Delete, Emit, Patch, RequeueAfter, SetStatus, World
from unit.controllers import builders
from unit.controllers.builders import NOW, Object, ago

ALLOCATION = {
    "devices": {"results": [{"request": "r", "driver": "d.example.com", "pool": "p", "device": "dev"}]}
}
PROTECTED = ["resource.kubernetes.io/delete-protection"]


def user(
    name: str = "p",
    *,
    node: str = "n",
    phase: str = "Running",
    template: str = "",
    claim: str = "",
    **metadata: Any,
) -> Object:
    obj = builders.pod(name, node=node, phase=phase, **metadata)
    source = {"resourceClaimTemplateName": template} if template else {"resourceClaimName": claim or "c"}
    obj["spec"]["resourceClaims"] = [{"name": "gpu", **source}]
    return obj


def template(name: str = "t", **metadata: Any) -> Object:
    obj = builders._named("ResourceClaimTemplate", "resource.k8s.io/v1", name)
    return {**obj, "spec": {"metadata": metadata, "spec": {"devices": {"requests": []}}}}


def claim(
    name: str = "c", *pods: Object, allocated: bool = True, owner: Object | None = None, **metadata: Any
) -> Object:
    obj = builders._named("ResourceClaim", "resource.k8s.io/v1", name, **metadata)
    if owner is not None:
        obj["metadata"]["ownerReferences"] = [meta.owner_reference(owner)]
        obj["metadata"]["annotations"] = {"resource.kubernetes.io/pod-claim-name": "gpu"}
    status: Object = {"allocation": ALLOCATION} if allocated else {}
    if pods:
        status["reservedFor"] = [{"resource": "pods", "name": meta.name(p), "uid": meta.uid(p)} for p in pods]
    return {**obj, "spec": {}, "status": status}


def make(obj: Object, *others: Object) -> list[Any]:
    return list(templates.reconcile(obj, World.of([obj, *others], NOW)))


def look_after(obj: Object, *others: Object, memory: Any = None, later: float = 0) -> list[Any]:
    world = World.of([obj, *others], NOW + timedelta(seconds=later), memory=memory)
    return list(claims.reconcile(obj, world))


# -- templates -----------------------------------------------------------------------------------------------------
def test_a_claim_is_made_for_the_pod() -> None:
    pod = user(template="t")
    (action,) = make(template(labels={"a": "b"}, annotations={"c": "d"}), pod)
    assert isinstance(action, Create)
    metadata = action.obj["metadata"]
    assert metadata["generateName"] == "p-gpu-"
    assert metadata["labels"] == {"a": "b"}
    assert metadata["annotations"] == {"c": "d", "resource.kubernetes.io/pod-claim-name": "gpu"}
    assert metadata["ownerReferences"][0]["uid"] == meta.uid(pod)
    assert action.obj["spec"] == {"devices": {"requests": []}}


def test_the_pod_is_told_which_claim_is_its() -> None:
    pod = user(template="t")
    (action,) = make(template(), pod, claim("p-gpu-x", owner=pod))
    assert isinstance(action, Patch)
    assert action.body == {
        "status": {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "p-gpu-x"}]}
    }
    pod["status"]["resourceClaimStatuses"] = [{"name": "gpu", "resourceClaimName": "p-gpu-x"}]
    assert make(template(), pod, claim("p-gpu-x", owner=pod)) == []


def test_a_claim_that_was_deleted_is_made_again() -> None:
    pod = user(template="t")
    pod["status"]["resourceClaimStatuses"] = [{"name": "gpu", "resourceClaimName": "gone"}]
    assert [type(action) for action in make(template(), pod)] == [Create]


def test_pods_that_are_done_or_need_none_get_none() -> None:
    none = user("none", template="t")
    none["status"]["resourceClaimStatuses"] = [{"name": "gpu"}]
    done = user("done", template="t", phase="Succeeded")
    leaving = user("leaving", template="t", deletionTimestamp=ago(1))
    assert make(template(), none, done, leaving, user("other", template="else")) == []


def test_a_missing_template_is_told() -> None:
    pod = user(template="t")
    (event,) = templates.absent(("default", "t"), World.of([pod], NOW))
    assert event == Emit(pod, "Warning", "FailedResourceClaimCreation",
                         'PodResourceClaim gpu: resource claim template "t": '
                         'resourceclaimtemplate.resource.k8s.io "t" not found')  # fmt: skip


# -- reservations --------------------------------------------------------------------------------------------------
def test_a_reservation_stays_while_the_pod_may_run() -> None:
    pod = user()
    assert look_after(claim("c", pod), pod) == []
    leaving = user(deletionTimestamp=ago(1))
    assert look_after(claim("c", leaving), leaving) == []


def test_a_pod_that_is_done_loses_it_and_the_last_one_frees_the_devices() -> None:
    done, running = user("done", phase="Failed"), user("running")
    (action,) = look_after(claim("c", done, running, finalizers=PROTECTED), done, running)
    assert isinstance(action, SetStatus)
    assert [c["name"] for c in action.status["reservedFor"]] == ["running"]
    status, patch = look_after(claim("c", done, finalizers=PROTECTED), done)
    assert status.status == {}
    assert patch.body == {"metadata": {"finalizers": None}}


def test_pods_that_were_deleted_before_they_had_a_node_are_done() -> None:
    pod = user(node="", phase="Pending", deletionTimestamp=ago(1))
    assert isinstance(look_after(claim("c", pod), pod)[0], SetStatus)


def test_a_pod_that_is_missing_is_looked_for_again_before_it_is_gone() -> None:
    memory: dict[Any, Any] = {}
    held = claim("c", user())
    assert look_after(held, memory=memory) == [RequeueAfter(5.0)]
    (action,) = look_after(held, memory=memory, later=6)
    assert isinstance(action, SetStatus)
    assert memory == {}


def test_consumers_of_other_kinds_are_left_alone() -> None:
    held = claim("c")
    held["status"]["reservedFor"] = [{"apiGroup": "x", "resource": "things", "name": "t", "uid": "u"}]
    assert look_after(held) == []


def test_a_pod_that_has_its_node_gets_its_reservation() -> None:
    pod = user()
    (action,) = look_after(claim("c"), pod)
    assert isinstance(action, SetStatus)
    assert action.status["reservedFor"] == [{"resource": "pods", "name": "p", "uid": "uid-pod-p"}]
    assert look_after(claim("c"), user(node="")) == []
    assert look_after(claim("c", allocated=False), pod) == []


def test_protection_ends_when_the_claim_goes() -> None:
    going = claim("c", finalizers=PROTECTED, deletionTimestamp=ago(1))
    status, patch = look_after(going)
    assert status.status == {}
    assert isinstance(patch, Patch)
    pod = user()
    assert look_after(claim("c", pod, finalizers=PROTECTED, deletionTimestamp=ago(1)), pod) == []


def test_an_allocation_without_reservation_stays_until_the_claim_goes() -> None:
    assert look_after(claim("c", finalizers=PROTECTED)) == []


def test_a_claim_made_for_a_pod_goes_when_the_pod_is_done() -> None:
    done = user(phase="Succeeded", template="t")
    assert look_after(claim("c", allocated=False, owner=done), done) == [
        Delete(claim("c", allocated=False, owner=done))
    ]
    assert look_after(claim("c", allocated=False, owner=done)) == []  # gone: the garbage collector's


def test_pods_wake_their_claims_when_something_shows() -> None:
    pod, world = user(node=""), World.of([], NOW)
    assert list(claims.claims_of_pod(None, pod, world)) == [("default", "c")]
    assert (
        list(claims.claims_of_pod(pod, {**pod, "metadata": {**pod["metadata"], "labels": {}}}, world)) == []
    )
    assert list(claims.claims_of_pod(pod, user(), world)) == [("default", "c")]
    assert list(claims.claims_of_pod(None, builders.pod("plain"), world)) == []
