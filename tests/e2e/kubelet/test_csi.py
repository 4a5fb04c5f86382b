"""CSI volumes on a real node: a driver behind real sockets, real mounts, real containers."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from csi_driver import MOUNT_GROUP, STAGE, STATS, Driver, has_loop_devices
from e2e.kubelet.node import NAMESPACE, NODE, WAIT, Node, shell
from pinnace.api.resources import (
    CSI_DRIVERS,
    CSI_NODES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    SECRETS,
    VOLUME_ATTACHMENTS,
)
from pinnace.kubelet.csi.source import attachment_name, persistent
from pinnace.kubelet.stats.prometheus import volume_metrics
from pinnace.kubelet.stats.summary import claim_json
from pinnace.kubelet.volumes.mounts import mounts_below
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e
Object = dict[str, Any]
MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
CLAIMED = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]


@pytest_asyncio.fixture
async def driver(node: Node) -> AsyncGenerator[Driver, None]:
    """Its directory is short: a socket's path must be."""
    import shutil
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="csi-"))
    one = Driver(directory, node.config.root_dir)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()
        shutil.rmtree(directory)


async def declare(node: Node, driver: Driver, **spec: Any) -> None:
    body = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": driver.name},
            "spec": {"attachRequired": False, **spec}}  # fmt: skip
    await node.client.create(CSI_DRIVERS, body)


async def come(node: Node, driver: Driver) -> None:
    """The driver registers."""
    await driver.register()

    async def registered() -> bool:
        return bool(driver.registered)

    await eventually(registered)
    assert driver.registered == [(True, "")]


async def volume(node: Node, driver: Driver, *, mode: str = "Filesystem", **csi: Any) -> Object:
    """A volume and a claim that are bound; no controller is needed for that here."""
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "disk", "storageClassName": "", "volumeMode": mode,
                 "resources": {"requests": {"storage": "1Mi"}}},
    }  # fmt: skip
    made = await node.client.create(PERSISTENT_VOLUME_CLAIMS, claim, NAMESPACE)
    status = {"status": {"phase": "Bound", "capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"]}}
    await node.client.patch(PERSISTENT_VOLUME_CLAIMS, "data", status, NAMESPACE, subresource="status")
    body = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
                 "volumeMode": mode, "persistentVolumeReclaimPolicy": "Retain",
                 "claimRef": {"namespace": NAMESPACE, "name": "data", "uid": made["metadata"]["uid"]},
                 "csi": {"driver": driver.name, "volumeHandle": "h-1", "volumeAttributes": {"size": "big"}, **csi}},
    }  # fmt: skip
    found = await node.client.create(PERSISTENT_VOLUMES, body)
    await node.client.patch(PERSISTENT_VOLUMES, "disk", {"status": {"phase": "Bound"}}, subresource="status")
    return found


def left_mounts(node: Node) -> list[str]:
    return [one for one in mounts_below(node.config.root_dir) if "csi" in one]


async def test_a_driver_registers_and_the_node_tells_of_it(node: Node, driver: Driver) -> None:
    driver.max_volumes, driver.topology = 5, {"topology.test/zone": "z1"}
    await come(node, driver)
    entry = {
        "name": driver.name, "nodeID": "node-a", "topologyKeys": ["topology.test/zone"], "allocatable": {"count": 5},
    }  # fmt: skip
    csi_node = await node.client.get(CSI_NODES, NODE)
    assert csi_node["spec"]["drivers"] == [entry]
    one = await node.client.get(NODES, NODE)
    assert csi_node["metadata"]["ownerReferences"][0]["uid"] == one["metadata"]["uid"]
    assert one["metadata"]["labels"]["topology.test/zone"] == "z1"
    assert (
        one["metadata"]["annotations"]["csi.volume.kubernetes.io/nodeid"] == f'{{"{driver.name}":"node-a"}}'
    )

    driver.registration_socket.unlink()

    async def gone() -> bool:
        node_now = await node.client.get(NODES, NODE)
        has_annotation = "csi.volume.kubernetes.io/nodeid" in node_now["metadata"]["annotations"]
        return not (await node.client.get(CSI_NODES, NODE))["spec"].get("drivers") and not has_annotation

    await eventually(gone)


async def test_a_node_that_takes_more_volumes_says_so(node: Node, driver: Driver) -> None:
    driver.max_volumes = 5
    await come(node, driver)
    driver.max_volumes = 6
    await node.kubelet.csi.drivers.refresh(driver.name)
    (entry,) = (await node.client.get(CSI_NODES, NODE))["spec"]["drivers"]
    assert entry["allocatable"] == {"count": 6}


async def test_a_driver_of_another_version_is_told_so(node: Node, driver: Driver) -> None:
    driver.versions = ("0.3.0",)
    await driver.register()

    async def told() -> bool:
        return bool(driver.registered)

    await eventually(told)
    ok, error = driver.registered[0]
    assert not ok
    assert "supported version" in error


async def test_a_claims_volume_is_staged_published_and_taken_back(node: Node, driver: Driver) -> None:
    await declare(node, driver, podInfoOnMount=True)
    await come(node, driver)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key"},
        "stringData": {"word": "sesame"},
    }
    await node.client.create(SECRETS, secret, NAMESPACE)
    reference = {"name": "key", "namespace": NAMESPACE}
    await volume(node, driver, fsType="ext4", nodeStageSecretRef=reference, nodePublishSecretRef=reference)
    context = {"fsGroup": 4321}
    await node.create("one", shell(WAIT, **MOUNT), volumes=CLAIMED, securityContext=context)
    await node.create("two", shell(WAIT, **MOUNT), volumes=CLAIMED)
    one, two = await node.running("one"), await node.running("two")
    assert await node.sh(one, "echo kept > /v/file; stat -c %g /v/file /v") == "4321\n4321\n"
    assert await node.sh(two, "cat /v/file") == "kept\n"

    (staged,) = driver.asked("NodeStageVolume")
    assert dict(staged.secrets) == {"word": "sesame"}
    assert staged.volume_capability.mount.fs_type == "ext4"
    assert staged.volume_capability.access_mode.mode == 1
    published = next(
        one for one in driver.asked("NodePublishVolume")
        if one.volume_context["csi.storage.k8s.io/pod.name"] == "one"
    )  # fmt: skip
    assert published.volume_context["size"] == "big"
    assert published.volume_context["csi.storage.k8s.io/ephemeral"] == "false"
    assert published.staging_target_path == staged.staging_target_path
    assert published.target_path.endswith("/volumes/kubernetes.io~csi/disk/mount")

    await node.delete("one", 1)
    assert "NodeUnstageVolume" not in driver.names(), "the other pod uses it"
    await node.delete("two", 1)

    async def unstaged() -> bool:
        return "NodeUnstageVolume" in driver.names()

    await eventually(unstaged)
    assert left_mounts(node) == []
    assert (driver.backing / "h-1" / "file").read_text() == "kept\n"


async def test_an_inline_volume_lives_with_its_pod(node: Node, driver: Driver) -> None:
    await declare(node, driver, volumeLifecycleModes=["Ephemeral"], podInfoOnMount=True, fsGroupPolicy="File")
    await come(node, driver)
    inline = [{"name": "v", "csi": {"driver": driver.name, "volumeAttributes": {"colour": "blue"}}}]
    await node.create("inline", shell(WAIT, **MOUNT), volumes=inline, securityContext={"fsGroup": 99})
    pod = await node.running("inline")
    assert await node.sh(pod, "stat -c %g /v; echo x > /v/f") == "99\n"
    (published,) = driver.asked("NodePublishVolume")
    assert published.volume_context["colour"] == "blue"
    assert published.volume_context["csi.storage.k8s.io/ephemeral"] == "true"
    assert published.volume_id.startswith("csi-")
    assert driver.asked("NodeStageVolume") == []
    await node.delete("inline", 1)
    assert len(driver.asked("NodeUnpublishVolume")) == 1
    assert left_mounts(node) == []


async def test_an_inline_volume_needs_a_driver_that_offers_such(node: Node, driver: Driver) -> None:
    await declare(node, driver)
    await come(node, driver)
    await node.create("inline", shell(WAIT, **MOUNT), volumes=[{"name": "v", "csi": {"driver": driver.name}}])

    async def told() -> bool:
        why = f'volume mode "Ephemeral" not supported by driver {driver.name} (only supports ["Persistent"])'
        text = f'MountVolume.SetUp failed for volume "v" : {why}'
        return ("Warning", "FailedMount", text) in await node.events("inline")

    await eventually(told)


async def test_a_pod_waits_for_its_driver_and_for_the_attachment(node: Node, driver: Driver) -> None:
    disk = await volume(node, driver)
    await declare(node, driver, attachRequired=True)
    await node.create("early", shell(WAIT, **MOUNT), volumes=CLAIMED)

    async def told() -> bool:
        why = f"driver name {driver.name} not found in the list of registered CSI drivers"
        start = 'MountVolume.SetUp failed for volume "disk" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client'
        return ("Warning", "FailedMount", f"{start}: {why}") in await node.events("early")

    await eventually(told)
    await come(node, driver)

    async def in_use() -> bool:
        status = (await node.client.get(NODES, NODE))["status"]
        return status.get("volumesInUse") == [f"kubernetes.io/csi/{driver.name}^h-1"]

    await eventually(in_use)
    assert driver.asked("NodeStageVolume") == [], "nothing is mounted before it is attached"
    name = attachment_name(persistent(disk, {}, read_only=False), NODE)
    attachment = {
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name},
        "spec": {"attacher": driver.name, "nodeName": NODE, "source": {"persistentVolumeName": "disk"}},
    }  # fmt: skip
    await node.client.create(VOLUME_ATTACHMENTS, attachment)
    status = {"status": {"attached": True, "attachmentMetadata": {"lun": "7"}}}
    await node.client.patch(VOLUME_ATTACHMENTS, name, status, subresource="status")
    await node.running("early")
    assert dict(driver.asked("NodeStageVolume")[0].publish_context) == {"lun": "7"}
    assert dict(driver.asked("NodePublishVolume")[0].publish_context) == {"lun": "7"}
    await node.delete("early", 1)

    async def free() -> bool:
        return not (await node.client.get(NODES, NODE))["status"].get("volumesInUse")

    await eventually(free)


async def test_what_a_driver_refuses_is_told_and_tried_again(node: Node, driver: Driver) -> None:
    await declare(node, driver)
    await come(node, driver)
    await volume(node, driver)
    driver.fails["NodeStageVolume"] = (grpc.StatusCode.INTERNAL, "the disk is upside down")
    await node.create("unlucky", shell(WAIT, **MOUNT), volumes=CLAIMED)

    async def told(text: str) -> bool:
        return ("Warning", "FailedMount", text) in await node.events("unlucky")

    why = 'MountVolume.MountDevice failed for volume "disk" : rpc error: code = Internal desc = the disk is upside down'
    await eventually(lambda: told(why))
    driver.fails = {"NodePublishVolume": (grpc.StatusCode.UNAVAILABLE, "not now")}
    why = 'MountVolume.SetUp failed for volume "disk" : rpc error: code = Unavailable desc = not now'
    await eventually(lambda: told(why))
    driver.fails = {}
    await node.running("unlucky")
    await node.delete("unlucky", 1)
    assert left_mounts(node) == []


async def test_a_new_kubelet_adopts_what_is_mounted(node: Node, driver: Driver) -> None:
    await declare(node, driver)
    await come(node, driver)
    await volume(node, driver)
    await node.create("stays", shell(WAIT, **MOUNT), volumes=CLAIMED)
    pod = await node.running("stays")
    await node.stop()
    driver.registered.clear()
    await node.start()

    async def registered_again() -> bool:
        return driver.registered == [(True, "")]

    await eventually(registered_again)
    await node.running("stays")
    assert await node.sh(pod, "touch /v/alive") == ""
    assert driver.names().count("NodeStageVolume") == driver.names().count("NodePublishVolume") == 1
    await node.delete("stays", 1)
    assert left_mounts(node) == []


async def test_a_pod_that_vanished_with_the_kubelet_gives_its_volume_back(node: Node, driver: Driver) -> None:
    """The kubelet ends in the middle of mounting, and the pod is gone when it comes back."""
    await declare(node, driver)
    await come(node, driver)
    await volume(node, driver)
    driver.hangs.add("NodePublishVolume")
    await node.create("lost", shell(WAIT, **MOUNT), volumes=CLAIMED)

    async def began() -> bool:
        return "NodePublishVolume" in driver.names()

    await eventually(began)
    await node.stop()
    await node.client.delete(PODS, "lost", NAMESPACE, grace_period_seconds=0)
    driver.hangs.clear()
    await node.start()

    async def undone() -> bool:
        return "NodeUnpublishVolume" in driver.names() and "NodeUnstageVolume" in driver.names()

    await eventually(undone, within=60)
    assert left_mounts(node) == []


async def test_a_driver_that_was_replaced_lets_go_of_old_volumes(node: Node, driver: Driver) -> None:
    await declare(node, driver)
    await come(node, driver)
    await volume(node, driver)
    await node.create("old", shell(WAIT, **MOUNT), volumes=CLAIMED)
    await node.running("old")
    await driver.stop()
    await node.client.delete(PODS, "old", NAMESPACE, grace_period_seconds=0)
    driver.registered.clear()
    await driver.start()
    await come(node, driver)
    await node.gone("old")

    async def undone() -> bool:
        return "NodeUnstageVolume" in driver.names()

    await eventually(undone, within=60)
    assert left_mounts(node) == []


async def test_tokens_and_groups_for_drivers_that_want_them(node: Node, driver: Driver) -> None:
    import json

    driver.node_capabilities = (STAGE, MOUNT_GROUP)
    await declare(
        node, driver, tokenRequests=[{"audience": "vault", "expirationSeconds": 600}], requiresRepublish=True,
        podInfoOnMount=True,
    )  # fmt: skip
    await come(node, driver)
    await volume(node, driver)
    await node.create("holder", shell(WAIT, **MOUNT), volumes=CLAIMED, securityContext={"fsGroup": 77})
    await node.running("holder")
    first = driver.asked("NodePublishVolume")[0]
    tokens = json.loads(first.volume_context["csi.storage.k8s.io/serviceAccount.tokens"])
    assert set(tokens["vault"]) == {"token", "expirationTimestamp"}
    assert first.volume_capability.mount.volume_mount_group == "77"
    count = len(driver.asked("NodePublishVolume"))
    await node.client.patch(PODS, "holder", {"metadata": {"labels": {"poke": "1"}}}, NAMESPACE)

    async def again() -> bool:
        return len(driver.asked("NodePublishVolume")) > count

    await eventually(again)
    await node.delete("holder", 1)


async def test_a_driver_that_hangs_holds_up_only_its_own_pod(node: Node, driver: Driver) -> None:
    node.kubelet.csi.drivers._seconds = 0.5
    await declare(node, driver)
    await come(node, driver)
    await volume(node, driver)
    driver.hangs.add("NodeStageVolume")
    await node.create("stuck", shell(WAIT, **MOUNT), volumes=CLAIMED)
    await node.create("free", shell(WAIT))
    await node.running("free")
    why = 'MountVolume.MountDevice failed for volume "disk" : rpc error: code = DeadlineExceeded desc = context deadline exceeded'

    async def told() -> bool:
        return ("Warning", "FailedMount", why) in await node.events("stuck")

    await eventually(told)
    driver.hangs.clear()
    await node.running("stuck")


async def test_statistics_come_from_the_driver(node: Node, driver: Driver) -> None:
    driver.node_capabilities = (STAGE, STATS)
    await declare(node, driver)
    await come(node, driver)
    await volume(node, driver)
    await node.create("full", shell(WAIT, **MOUNT), volumes=CLAIMED)
    pod = await node.running("full")
    usage = await node.kubelet.host.claim_usage(pod)
    text = volume_metrics(usage)
    labels = '{namespace="default",persistentvolumeclaim="data"}'
    for name, value in (
        ("available_bytes", 600),
        ("capacity_bytes", 1000),
        ("used_bytes", 400),
        ("inodes_used", 10),
    ):
        assert f"kubelet_volume_stats_{name}{labels} {value}\n" in text
    assert claim_json(usage[0])["pvcRef"] == {"name": "data", "namespace": "default"}


@pytest.mark.skipif(not has_loop_devices(), reason="the kernel gives out no loop devices")
async def test_a_raw_block_volume_is_a_device_of_the_container(node: Node, driver: Driver) -> None:
    await declare(node, driver)
    await come(node, driver)
    (driver.backing / "h-1.img").write_bytes(b"\0" * (1 << 20))
    await volume(node, driver, mode="Block")
    devices = {"volumeDevices": [{"name": "v", "devicePath": "/dev/disk"}]}
    await node.create("raw", shell(WAIT, **devices), volumes=CLAIMED)
    pod = await node.running("raw")
    script = "test -b /dev/disk && printf hello | dd of=/dev/disk conv=notrunc,fsync 2>/dev/null && head -c 5 /dev/disk"
    assert await node.sh(pod, script) == "hello"
    assert (driver.backing / "h-1.img").read_bytes()[:5] == b"hello"
    (published,) = driver.asked("NodePublishVolume")
    assert published.volume_capability.HasField("block")
    await node.delete("raw", 1)

    async def undone() -> bool:
        return "NodeUnstageVolume" in driver.names()

    await eventually(undone)
    assert left_mounts(node) == []
