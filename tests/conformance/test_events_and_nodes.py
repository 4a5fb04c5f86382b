"""Behaviours of events, nodes, drivers and pods that ask for the API alone."""

from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.rest import RestClient

Object = dict[str, Any]
SELECTOR = "testevent-set=true"
LABELS = {"testevent-set": "true"}


def core_event(name: str) -> Object:
    about = {"kind": "Namespace", "apiVersion": "v1", "name": "default", "namespace": "default"}
    return {
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default", "labels": LABELS},
        "message": "This is a test event", "reason": "Test", "type": "Normal", "count": 1, "involvedObject": about,
    }  # fmt: skip


def new_event(name: str) -> Object:
    return {
        "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": name, "namespace": "default", "labels": LABELS},
        "regarding": {"namespace": "default", "kind": "Pod", "name": "p"}, "eventTime": "2026-01-02T03:04:05.000006Z",
        "note": "This is a test event", "reason": "Test", "type": "Normal", "action": "Do",
        "reportingController": "test-controller", "reportingInstance": "test-node",
    }  # fmt: skip


@pytest.mark.conformance("[sig-instrumentation] Events should manage the lifecycle of an event [Conformance]")
async def test_the_life_of_an_event(rest_client: RestClient) -> None:
    await rest_client.create(r.EVENTS, core_event("e"))
    (found,) = (await rest_client.list(r.EVENTS, label_selector=SELECTOR))["items"]
    assert found["message"] == "This is a test event"
    await rest_client.patch(r.EVENTS, "e", {"message": "This is a test event - patched"}, "default")
    read = await rest_client.get(r.EVENTS, "e", "default")
    assert read["message"] == "This is a test event - patched"
    read["series"] = {"count": 100, "lastObservedTime": "2026-01-02T03:04:05.000006Z"}
    await rest_client.update(r.EVENTS, read)
    assert (await rest_client.get(r.EVENTS, "e", "default"))["series"] == read["series"]
    await rest_client.delete(r.EVENTS, "e", "default")
    assert (await rest_client.list(r.EVENTS, label_selector=SELECTOR))["items"] == []


@pytest.mark.conformance("[sig-instrumentation] Events should delete a collection of events [Conformance]")
async def test_a_collection_of_events_goes(rest_client: RestClient) -> None:
    for name in ("e1", "e2", "e3"):
        await rest_client.create(r.EVENTS, core_event(name))
    assert len((await rest_client.list(r.EVENTS, label_selector=SELECTOR))["items"]) == 3
    await rest_client.delete_collection(r.EVENTS, "default", label_selector=SELECTOR)
    assert (await rest_client.list(r.EVENTS, label_selector=SELECTOR))["items"] == []


@pytest.mark.conformance(
    "[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed [Conformance]"
)
async def test_the_life_of_an_event_of_the_new_api(rest_client: RestClient) -> None:
    await rest_client.create(r.EVENTS_V1, new_event("e"))
    for scope in (None, "default"):
        (found,) = (await rest_client.list(r.EVENTS_V1, scope, label_selector=SELECTOR))["items"]
        assert found["note"] == "This is a test event"
    series = {"count": 2, "lastObservedTime": "2026-01-02T03:05:05.000006Z"}
    await rest_client.patch(r.EVENTS_V1, "e", {"series": series}, "default")
    read = await rest_client.get(r.EVENTS_V1, "e", "default")
    assert read["series"] == series
    read["series"] = {"count": 100, "lastObservedTime": "2026-01-02T03:06:05.000006Z"}
    await rest_client.update(r.EVENTS_V1, read)
    assert (await rest_client.get(r.EVENTS_V1, "e", "default"))["series"]["count"] == 100
    await rest_client.delete(r.EVENTS_V1, "e", "default")
    assert (await rest_client.list(r.EVENTS_V1, label_selector=SELECTOR))["items"] == []


@pytest.mark.conformance(
    "[sig-instrumentation] Events API should delete a collection of events [Conformance]"
)
async def test_a_collection_of_events_of_the_new_api_goes(rest_client: RestClient) -> None:
    for name in ("e1", "e2", "e3"):
        await rest_client.create(r.EVENTS_V1, new_event(name))
    assert len((await rest_client.list(r.EVENTS_V1, label_selector=SELECTOR))["items"]) == 3
    await rest_client.delete_collection(r.EVENTS_V1, "default", label_selector=SELECTOR)
    assert (await rest_client.list(r.EVENTS_V1, label_selector=SELECTOR))["items"] == []


@pytest.mark.conformance("[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]")
async def test_the_life_of_a_node(rest_client: RestClient) -> None:
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "reason": "E2E", "message": "Set from e2e test"}],
    }
    await rest_client.create(
        r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "e2e-fake"}, "status": status}
    )
    read = await rest_client.get(r.NODES, "e2e-fake")
    assert read["metadata"]["name"] == "e2e-fake"
    await rest_client.patch(r.NODES, "e2e-fake", {"metadata": {"labels": {"e2e-fake": "patched"}}})
    (found,) = (await rest_client.list(r.NODES, label_selector="e2e-fake=patched"))["items"]
    found["metadata"]["labels"]["e2e-fake"] = "updated"
    await rest_client.update(r.NODES, found)
    assert len((await rest_client.list(r.NODES, label_selector="e2e-fake=updated"))["items"]) == 1
    await rest_client.delete(r.NODES, "e2e-fake")
    with pytest.raises(errors.NotFound):
        await rest_client.get(r.NODES, "e2e-fake")


def driver(name: str) -> Object:
    return {
        "kind": "CSIDriver",
        "apiVersion": "storage.k8s.io/v1",
        "metadata": {"name": name, "labels": {"test": "here"}},
        "spec": {},
    }


@pytest.mark.conformance(
    "[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver [Conformance]"
)
async def test_the_life_of_a_driver(rest_client: RestClient) -> None:
    for name in ("first", "second"):
        await rest_client.create(r.CSI_DRIVERS, driver(name))
    await rest_client.patch(r.CSI_DRIVERS, "first", {"metadata": {"labels": {"first": "patched"}}})
    (found,) = (await rest_client.list(r.CSI_DRIVERS, label_selector="first=patched"))["items"]
    found["metadata"]["labels"]["first"] = "updated"
    await rest_client.update(r.CSI_DRIVERS, found)
    assert len((await rest_client.list(r.CSI_DRIVERS, label_selector="first=updated"))["items"]) == 1
    assert len((await rest_client.list(r.CSI_DRIVERS, label_selector="test=here"))["items"]) == 2
    await rest_client.delete(r.CSI_DRIVERS, "first")
    with pytest.raises(errors.NotFound):
        await rest_client.get(r.CSI_DRIVERS, "first")
    await rest_client.delete_collection(r.CSI_DRIVERS, label_selector="test=here")
    assert (await rest_client.list(r.CSI_DRIVERS))["items"] == []


def pod(name: str, **spec: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False, **spec}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "labels": {"test": "here"}},
        "spec": spec,
    }


async def account(rest_client: RestClient) -> None:
    await rest_client.create(
        r.SERVICE_ACCOUNTS,
        {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}},
        "default",
    )


@pytest.mark.conformance(
    "[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API [Conformance]"
)
async def test_a_pod_with_a_volume_of_a_driver(rest_client: RestClient) -> None:
    await account(rest_client)
    source = {"driver": "e2e.example.com", "readOnly": True, "volumeAttributes": {"a": "b"}}
    await rest_client.create(r.PODS, pod("p", volumes=[{"name": "v", "csi": source}]))
    read = await rest_client.get(r.PODS, "p", "default")
    assert read["spec"]["volumes"][0]["csi"] == source
    assert len((await rest_client.list(r.PODS, "default", label_selector="test=here"))["items"]) == 1
    await rest_client.patch(r.PODS, "p", {"metadata": {"labels": {"test": "patched"}}}, "default")
    assert (await rest_client.get(r.PODS, "p", "default"))["metadata"]["labels"]["test"] == "patched"
    await rest_client.delete(r.PODS, "p", "default", grace_period_seconds=0)
    with pytest.raises(errors.NotFound):
        await rest_client.get(r.PODS, "p", "default")


@pytest.mark.conformance(
    "[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls [Conformance]"
)
async def test_sysctls_with_bad_names_are_refused(rest_client: RestClient) -> None:
    await account(rest_client)
    names = ("foo-", "kernel.shmmax", "safe-and-unsafe", "bar..")
    sysctls = [{"name": name, "value": "100000000"} for name in names]
    with pytest.raises(errors.Invalid) as refused:
        await rest_client.create(r.PODS, pod("p", securityContext={"sysctls": sysctls}))
    for name, is_bad in zip(names, (True, False, False, True), strict=True):
        assert (f'Invalid value: "{name}"' in refused.value.message) == is_bad
