"""Volumes of images: mounted read-only from containerd's snapshots, and nothing of them left."""

import subprocess

import pytest

from e2e.kubelet.node import IMAGE, WAIT, Node, shell, waiting
from pinnace.kubelet.cri.private_containerd import PrivateContainerd
from pinnace.kubelet.image_volumes import images_in_volumes, view_key
from pinnace.kubelet.volumes.mounts import mounts_below
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e

VOLUME = {"name": "files", "image": {"reference": IMAGE, "pullPolicy": "IfNotPresent"}}


def reader(**mount: str) -> dict[str, object]:
    return shell(WAIT, volumeMounts=[{"name": "files", "mountPath": "/volume", **mount}])


@pytest.mark.conformance(
    "[sig-node] ImageVolume should succeed with pod and pull policy of Always [LinuxOnly] [MinimumKubeletVersion:1.35] [Conformance]"
)
async def test_an_image_is_pulled_for_a_volume(node: Node, registry: str) -> None:
    volume = {"name": "files", "image": {"reference": registry, "pullPolicy": "Always"}}
    await node.create("reader", {**reader(), "image": registry}, volumes=[volume])
    pod = await node.running("reader")
    assert "sh" in (await node.sh(pod, "ls /volume/bin")).split()
    messages = [message for _, reason, message in await node.events("reader") if reason == "Pulling"]
    assert f'Pulling image "{registry}"' in messages


async def test_an_image_is_a_read_only_volume(node: Node) -> None:
    await node.create("reader", reader(), volumes=[VOLUME])
    pod = await node.running("reader")
    assert "sh" in (await node.sh(pod, "ls /volume/bin")).split()
    assert "Read-only file system" in await node.sh(pod, "touch /volume/x")
    assert "Permission denied" in await node.sh(pod, "/volume/bin/busybox true")
    message = f'Container image "{IMAGE}" already present on machine and can be accessed by the pod'
    assert ("Normal", "Pulled", message) in await node.events("reader")


async def test_a_part_of_an_image_is_mounted_by_sub_path(node: Node) -> None:
    await node.create("part", reader(subPath="bin"), volumes=[VOLUME])
    pod = await node.running("part")
    assert "sh" in (await node.sh(pod, "ls /volume")).split()
    assert "Read-only file system" in await node.sh(pod, "touch /volume/x")


async def test_a_missing_sub_path_keeps_the_container_from_starting(node: Node) -> None:
    await node.create("part", reader(subPath="no/such"), volumes=[VOLUME])
    await node.until("part", lambda pod: waiting(pod) == "CreateContainerConfigError")


async def test_an_image_that_cannot_be_had_is_told_as_that_of_a_container(node: Node) -> None:
    volume = {"name": "files", "image": {"reference": "pinnace.local/none:1", "pullPolicy": "Never"}}
    await node.create("none", reader(), volumes=[volume])
    await node.until("none", lambda pod: waiting(pod) == "ErrImageNeverPull")
    text = 'Container image "pinnace.local/none:1" is not present with pull policy of Never'
    assert ("Warning", "ErrImageNeverPull", text) in await node.events("none")


async def test_nothing_is_left_of_it_after_the_pod_whatever_the_kubelet_went_through(
    node: Node, containerd: PrivateContainerd
) -> None:
    await node.create("reader", reader(), volumes=[VOLUME])
    pod = await node.running("reader")
    uid = pod["metadata"]["uid"]
    in_use = images_in_volumes(node.config.root_dir)
    assert len(in_use) == 1
    digest = in_use.pop().removeprefix("sha256:")
    await node.stop()
    await node.start()
    await eventually(lambda: node.kubelet.host.container(uid, "c"))
    assert "sh" in (await node.sh(pod, "ls /volume/bin")).split()
    assert view_key(uid, "files", digest) in snapshots(containerd)
    await node.delete("reader", grace=0)
    await eventually(lambda: not (node.config.root_dir / "pods" / uid).exists())
    assert not mounts_below(node.base)
    assert uid not in snapshots(containerd)


def snapshots(containerd: PrivateContainerd) -> str:
    command = ("ctr", "-a", str(containerd.config.socket), "-n", "k8s.io", "snapshots", "list")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
