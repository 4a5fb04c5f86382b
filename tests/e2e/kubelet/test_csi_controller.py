"""The controller's side of CSI with real parts: a claim is served, attached, mounted, expanded, and everything taken back."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from csi_driver import C_CAPACITY, C_CREATE, C_EXPAND, C_PUBLISH, EXPAND, STAGE, Driver
from e2e.kubelet.node import NAMESPACE, WAIT, Node, shell
from e2e.kubelet.test_csi import CLAIMED, MOUNT, come, declare, driver, left_mounts
from pinnace.api.resources import (
    CSI_STORAGE_CAPACITIES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
    VOLUME_ATTACHMENTS,
)
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.wait import eventually

__all__ = ["driver"]
pytestmark = pytest.mark.e2e
Object = dict[str, Any]
NAMES = (
    "persistentvolume-binder", "persistentvolume-attach-detach", "persistentvolume-expander", "csi",
    "persistentvolumeclaim-protection", "persistentvolume-protection", "ephemeral-volume",
)  # fmt: skip


@pytest_asyncio.fixture
async def control(node: Node, driver: Driver) -> AsyncGenerator[None, None]:
    """Controllers, the driver's among them, and a scheduler."""
    driver.topology = {"topology.test/host": "a"}
    driver.node_capabilities = (STAGE, EXPAND)
    driver.controller_capabilities = (C_CREATE, C_PUBLISH, C_EXPAND, C_CAPACITY)
    config = ControllersConfig(controllers=NAMES, csi_controllers=(f"unix://{driver.socket}",))
    parts = [
        asyncio.create_task(Controllers(node.client, node.clock, config).run()),
        asyncio.create_task(Scheduler(node.client, node.clock, SchedulerConfig()).run()),
    ]
    try:
        yield
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


async def storage_class(node: Node, driver: Driver, mode: str = "WaitForFirstConsumer", **more: Any) -> None:
    body = {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"},
        "provisioner": driver.name, "volumeBindingMode": mode, "allowVolumeExpansion": True, **more,
    }  # fmt: skip
    await node.client.create(STORAGE_CLASSES, body)


async def claim(node: Node, size: str = "1Mi", **spec: Any) -> None:
    body = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                 "resources": {"requests": {"storage": size}}, **spec},
    }  # fmt: skip
    await node.client.create(PERSISTENT_VOLUME_CLAIMS, body, NAMESPACE)


async def pod(node: Node, name: str) -> None:
    body = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [shell(WAIT, **MOUNT)], "volumes": CLAIMED, "automountServiceAccountToken": False,
                 "tolerations": [{"operator": "Exists"}],
                 "terminationGracePeriodSeconds": 1},
    }  # fmt: skip
    await node.client.create(PODS, body, NAMESPACE)


async def nothing(node: Node, gvr: Any) -> None:
    async def empty() -> bool:
        return not (await node.client.list(gvr))["items"]

    await eventually(empty, within=60)


@pytest.mark.usefixtures("control")
async def test_a_claim_lives_from_its_pod_to_its_end(node: Node, driver: Driver) -> None:
    await declare(node, driver, attachRequired=True)
    await come(node, driver)
    parameters = {"kind": "ssd", "csi.storage.k8s.io/fstype": "ext4"}
    await storage_class(node, driver, parameters=parameters)
    await claim(node)
    await pod(node, "web")
    running = await node.running("web")
    assert await node.sh(running, "echo data > /v/file") == ""

    (volume,) = (await node.client.list(PERSISTENT_VOLUMES))["items"]
    spec = volume["spec"]
    assert spec["csi"]["volumeHandle"] == f"vol-{volume['metadata']['name']}"
    assert (spec["csi"]["fsType"], spec["csi"]["volumeAttributes"]["made-by"]) == ("ext4", driver.name)
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "topology.test/host", "operator": "In", "values": ["a"]}]
    (created,) = driver.asked("CreateVolume")
    assert dict(created.parameters) == {"kind": "ssd"}
    assert [dict(one.segments) for one in created.accessibility_requirements.preferred] == [
        {"topology.test/host": "a"}
    ]
    (attached,) = driver.asked("ControllerPublishVolume")
    assert attached.node_id == "node-a"
    assert dict(driver.asked("NodeStageVolume")[0].publish_context) == {"lun": "7"}
    reasons = {reason for _, reason, _ in await node.events("data")}
    assert {"ExternalProvisioning", "Provisioning", "ProvisioningSucceeded"} <= reasons
    assert "SuccessfulAttachVolume" in {reason for _, reason, _ in await node.events("web")}

    await node.client.delete(PODS, "web", NAMESPACE)
    await nothing(node, VOLUME_ATTACHMENTS)
    order = [one for one in driver.names() if "Unp" in one or "Uns" in one]
    assert order == ["NodeUnpublishVolume", "NodeUnstageVolume", "ControllerUnpublishVolume"]
    await node.client.delete(PERSISTENT_VOLUME_CLAIMS, "data", NAMESPACE)
    await nothing(node, PERSISTENT_VOLUMES)
    assert len(driver.asked("DeleteVolume")) == 1
    assert list(driver.backing.iterdir()) == left_mounts(node) == []


@pytest.mark.usefixtures("control")
async def test_a_claim_in_use_grows(node: Node, driver: Driver) -> None:
    await declare(node, driver)
    await come(node, driver)
    await storage_class(node, driver, "Immediate")
    await claim(node)
    await pod(node, "web")
    await node.running("web")
    body = {"spec": {"resources": {"requests": {"storage": "3Mi"}}}}
    await node.client.patch(PERSISTENT_VOLUME_CLAIMS, "data", body, NAMESPACE)

    async def waits() -> bool:
        status = (await node.client.get(PERSISTENT_VOLUME_CLAIMS, "data", NAMESPACE))["status"]
        return any(one["type"] == "FileSystemResizePending" for one in status.get("conditions") or ())

    await eventually(waits)
    await node.client.patch(PODS, "web", {"metadata": {"labels": {"look": "again"}}}, NAMESPACE)

    async def grown() -> bool:
        status = (await node.client.get(PERSISTENT_VOLUME_CLAIMS, "data", NAMESPACE))["status"]
        return status["capacity"]["storage"] == "3Mi" and not status.get("conditions")

    await eventually(grown)
    (expanded,) = driver.asked("NodeExpandVolume")
    assert expanded.capacity_range.required_bytes == 3 << 20
    assert expanded.volume_path.endswith("/mount")
    assert "FileSystemResizeSuccessful" in {reason for _, reason, _ in await node.events("web")}


@pytest.mark.usefixtures("control")
async def test_a_driver_that_is_full_keeps_pods_away(node: Node, driver: Driver) -> None:
    driver.capacity = 1 << 10
    await declare(node, driver, storageCapacity=True)
    await come(node, driver)
    await storage_class(node, driver)

    async def published() -> list[Object]:
        return (await node.client.list(CSI_STORAGE_CAPACITIES))["items"]

    (one,) = await eventually(published)
    assert (one["capacity"], one["storageClassName"]) == ("1Ki", "fast")
    assert one["nodeTopology"] == {"matchLabels": {"topology.test/host": "a"}}
    await claim(node)
    await pod(node, "web")

    async def refused() -> bool:
        told = [text for _, reason, text in await node.events("web") if reason == "FailedScheduling"]
        return any("did not have enough free storage" in text for text in told)

    await eventually(refused)
    assert driver.asked("CreateVolume") == []


@pytest.mark.usefixtures("control")
async def test_what_the_driver_cannot_do_is_told(node: Node, driver: Driver) -> None:
    driver.fails["CreateVolume"] = (grpc.StatusCode.INVALID_ARGUMENT, "no such kind of disk")
    driver.fails["ControllerPublishVolume"] = (grpc.StatusCode.INTERNAL, "no cable")
    await declare(node, driver, attachRequired=True)
    await come(node, driver)
    await storage_class(node, driver, "Immediate")
    await claim(node)

    async def told(name: str, reason: str, text: str) -> bool:
        return ("Warning", reason, text) in await node.events(name)

    why = 'failed to provision volume with StorageClass "fast": rpc error: code = InvalidArgument desc = no such kind of disk'
    await eventually(lambda: told("data", "ProvisioningFailed", why))
    del driver.fails["CreateVolume"]
    await pod(node, "web")

    async def attach_failed() -> bool:
        found = [text for _, reason, text in await node.events("web") if reason == "FailedAttachVolume"]
        return any(text.endswith("rpc error: code = Internal desc = no cable") for text in found)

    await eventually(attach_failed, within=60)
    driver.fails.clear()
    await node.running("web")
