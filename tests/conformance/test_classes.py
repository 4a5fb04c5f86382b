"""test/e2e/common/node/runtimeclass.go and the priority classes of test/e2e/scheduling/preemption.go."""

from typing import Any

import aiohttp
import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import Client

Object = dict[str, Any]


def runtime_class(name: str, **more: Any) -> Object:
    return {
        "kind": "RuntimeClass",
        "apiVersion": "node.k8s.io/v1",
        "metadata": {"name": name},
        "handler": "runc",
        **more,
    }


def priority_class(name: str, value: int, **more: Any) -> Object:
    metadata = {"name": name}
    return {
        "kind": "PriorityClass",
        "apiVersion": "scheduling.k8s.io/v1",
        "metadata": metadata,
        "value": value,
        **more,
    }


def pod(name: str, **spec: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False, **spec}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def client(rest_client: Client) -> Client:
    body = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await rest_client.create(r.SERVICE_ACCOUNTS, body, "default")
    return rest_client


@pytest.mark.conformance(
    "[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance] [Conformance]"
)
async def test_a_class_that_is_not_there_is_refused(client: Client) -> None:
    with pytest.raises(errors.Forbidden) as refused:
        await client.create(r.PODS, pod("p", runtimeClassName="none"), "default")
    assert refused.value.message == 'pods "p" is forbidden: pod rejected: RuntimeClass "none" not found'


@pytest.mark.conformance(
    "[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance] [Conformance]"
)
async def test_a_deleted_class_is_refused(client: Client) -> None:
    await client.create(r.RUNTIME_CLASSES, runtime_class("fast"))
    await client.delete(r.RUNTIME_CLASSES, "fast")
    with pytest.raises(errors.Forbidden, match='RuntimeClass "fast" not found'):
        await client.create(r.PODS, pod("p", runtimeClassName="fast"), "default")


async def test_a_pod_gets_overhead_node_selector_and_tolerations_of_its_class(client: Client) -> None:
    toleration = {"key": "sandbox", "operator": "Exists", "effect": "NoSchedule"}
    scheduling = {"nodeSelector": {"sandbox": "yes"}, "tolerations": [toleration]}
    body = runtime_class(
        "boxed", overhead={"podFixed": {"cpu": "0.01", "memory": "1Mi"}}, scheduling=scheduling
    )
    await client.create(r.RUNTIME_CLASSES, body)
    made = await client.create(r.PODS, pod("p", runtimeClassName="boxed", nodeSelector={"a": "b"}), "default")
    assert made["spec"]["overhead"] == {"cpu": "10m", "memory": "1Mi"}
    assert made["spec"]["nodeSelector"] == {"a": "b", "sandbox": "yes"}
    assert toleration in made["spec"]["tolerations"]
    with pytest.raises(errors.Forbidden) as conflict:
        await client.create(
            r.PODS, pod("q", runtimeClassName="boxed", nodeSelector={"sandbox": "no"}), "default"
        )
    assert "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no" in conflict.value.message  # fmt: skip
    with pytest.raises(
        errors.Forbidden, match="Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    ):
        await client.create(r.PODS, pod("q", runtimeClassName="boxed", overhead={"cpu": "1"}), "default")
    with pytest.raises(errors.Forbidden, match="Pod Overhead set without corresponding RuntimeClass"):
        await client.create(r.PODS, pod("q", overhead={"cpu": "1"}), "default")


@pytest.mark.conformance("[sig-node] RuntimeClass should support RuntimeClasses API operations [Conformance]")
async def test_runtime_classes_can_do_all_that_resources_do(
    client: Client, http: aiohttp.ClientSession
) -> None:
    groups = await client.raw("GET", "/apis")
    assert "node.k8s.io/v1" in [v["groupVersion"] for g in groups["groups"] for v in g["versions"]]
    resources = (await client.raw("GET", "/apis/node.k8s.io/v1"))["resources"]
    assert "runtimeclasses" in [entry["name"] for entry in resources]
    labels = {"test": "yes"}
    for name in ("one", "two", "three"):
        body = runtime_class(name)
        body["metadata"]["labels"] = labels
        await client.create(r.RUNTIME_CLASSES, body)
    with pytest.raises(errors.AlreadyExists):
        await client.create(r.RUNTIME_CLASSES, runtime_class("one"))
    listed = await client.list(r.RUNTIME_CLASSES, label_selector="test=yes")
    assert len(listed["items"]) == 3
    version = listed["metadata"]["resourceVersion"]
    watch = client.watch(
        r.RUNTIME_CLASSES, resource_version=version, label_selector="test=yes", bookmarks=False
    )
    patched = await client.patch(r.RUNTIME_CLASSES, "one", {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"] == {"patched": "true"}
    updated = {**patched, "metadata": {**patched["metadata"], "annotations": {"updated": "true"}}}
    assert (await client.update(r.RUNTIME_CLASSES, updated))["metadata"]["annotations"] == {"updated": "true"}
    await client.delete(r.RUNTIME_CLASSES, "one")
    await client.delete_collection(r.RUNTIME_CLASSES, label_selector="test=yes")
    seen = [await anext(watch) for _ in range(3)]
    assert [event.type for event in seen] == ["MODIFIED", "MODIFIED", "DELETED"]
    await watch.aclose()
    assert (await client.list(r.RUNTIME_CLASSES, label_selector="test=yes"))["items"] == []


async def test_the_handler_of_a_runtime_class_stays(client: Client) -> None:
    await client.create(r.RUNTIME_CLASSES, runtime_class("one"))
    with pytest.raises(errors.Invalid, match='handler: Invalid value: "other": field is immutable'):
        await client.patch(r.RUNTIME_CLASSES, "one", {"handler": "other"})
    with pytest.raises(errors.Invalid, match='handler: Invalid value: "No Label"'):
        await client.create(r.RUNTIME_CLASSES, runtime_class("two") | {"handler": "No Label"})


@pytest.mark.conformance(
    "[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods [Conformance]"
)
async def test_what_may_change_in_a_priority_class(client: Client) -> None:
    for name, value in (("p1", 1), ("p2", 2)):
        await client.create(r.PRIORITY_CLASSES, priority_class(name, value))
    listed = (await client.list(r.PRIORITY_CLASSES))["items"]
    assert {item["metadata"]["name"] for item in listed} == {
        "p1", "p2", "system-cluster-critical", "system-node-critical",
    }  # fmt: skip
    for name in ("p1", "p2"):
        live = await client.patch(r.PRIORITY_CLASSES, name, {"description": f"{name} patched"})
        assert live["description"] == f"{name} patched"
        with pytest.raises(errors.Invalid, match="value: Forbidden: may not be changed in an update"):
            await client.patch(r.PRIORITY_CLASSES, name, {"value": 9})
        changed = await client.update(r.PRIORITY_CLASSES, {**live, "description": "updated"})
        assert changed["description"] == "updated"
        with pytest.raises(errors.Invalid, match="value: Forbidden: may not be changed in an update"):
            await client.update(r.PRIORITY_CLASSES, {**changed, "value": 10})


async def test_a_pod_takes_number_and_policy_from_its_class(client: Client) -> None:
    await client.create(r.PRIORITY_CLASSES, priority_class("gold", 1000, preemptionPolicy="Never"))
    made = await client.create(r.PODS, pod("p", priorityClassName="gold"), "default")
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (1000, "Never")
    plain = await client.create(r.PODS, pod("plain"), "default")
    assert (plain["spec"]["priority"], plain["spec"]["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in plain["spec"]
    system = await client.create(r.PODS, pod("s", priorityClassName="system-node-critical"), "default")
    assert system["spec"]["priority"] == 2_000_001_000
    with pytest.raises(errors.Forbidden) as unknown:
        await client.create(r.PODS, pod("q", priorityClassName="none"), "default")
    assert unknown.value.message == 'pods "q" is forbidden: no PriorityClass with name none was found'
    for spec in (
        {"priority": 7},
        {"preemptionPolicy": "Never"},
        {"priorityClassName": "gold", "priority": 1},
    ):
        with pytest.raises(errors.Forbidden, match="must not be provided in pod spec"):
            await client.create(r.PODS, pod("q", **spec), "default")


async def test_one_priority_class_may_be_the_default(client: Client) -> None:
    await client.create(r.PRIORITY_CLASSES, priority_class("usual", 10, globalDefault=True))
    made = await client.create(r.PODS, pod("p"), "default")
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 10)
    with pytest.raises(errors.Forbidden) as second:
        await client.create(r.PRIORITY_CLASSES, priority_class("other", 20, globalDefault=True))
    assert second.value.message == (
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. Only one default can exist'
    )
    await client.patch(r.PRIORITY_CLASSES, "usual", {"description": "still the default"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (priority_class("big", 1_000_000_001), "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
        (priority_class("system-mine", 5), "system-mine is not a known system priority class"),
        (priority_class("x", 5, preemptionPolicy="Maybe"), 'preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"'),
    ],
)  # fmt: skip
async def test_what_a_priority_class_may_not_be(client: Client, body: Object, why: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await client.create(r.PRIORITY_CLASSES, body)
    assert why in refused.value.message
