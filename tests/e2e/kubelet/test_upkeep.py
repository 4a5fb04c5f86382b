"""Logs that grow, containers that died long ago, images that must be pulled."""

from dataclasses import replace

import pytest

from e2e.kubelet.node import WAIT, Node, container, shell
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e


async def test_long_logs_are_rotated(node: Node) -> None:
    await node.stop()
    node.config = replace(node.config, container_log_max_bytes=1000, container_log_max_files=3)
    await node.start()
    await node.create("chatty", shell("while :; do echo 0123456789012345678901234567890; sleep 0.01; done"))
    pod = await node.running("chatty")
    path = node.kubelet.host.log_path(pod, "c", 0)

    def has_grown() -> bool:
        return path.exists() and path.stat().st_size > 1000

    for _ in range(2):
        await eventually(has_grown)
        await node.kubelet.housekeeping.rotate_logs()
    await eventually(path.exists)
    parts = sorted(part.name for part in path.parent.iterdir() if part.name != "0.log")
    assert 1 <= len(parts) <= 2
    await eventually(has_grown)


async def test_one_dead_container_of_each_name_is_kept(node: Node) -> None:
    await node.stop()
    node.config = replace(node.config, max_container_restart_seconds=1)
    await node.start()
    await node.create("ends", shell("sleep 0.1"))
    pod = await node.until("ends", lambda pod: container(pod)["restartCount"] >= 1)
    uid = pod["metadata"]["uid"]
    await node.until("ends", lambda pod: container(pod)["restartCount"] >= 2, within=60)
    await node.kubelet.housekeeping.clean()
    listed = await node.runtime.list_containers(labels={"io.kubernetes.pod.uid": uid})
    assert len(listed) <= 2
    assert not node.kubelet.host.log_path(pod, "c", 0).exists()


async def test_an_image_is_pulled_from_a_registry(node: Node, registry: str) -> None:
    await node.create("web", {**shell(WAIT), "image": registry, "imagePullPolicy": "Always"})
    pod = await node.running("web")
    assert container(pod)["imageID"].startswith(("127.0.0.1:", "sha256:"))
    messages = [message for _, reason, message in await node.events("web") if reason in ("Pulling", "Pulled")]
    assert f'Pulling image "{registry}"' in messages
    assert any(text.startswith(f'Successfully pulled image "{registry}" in ') for text in messages)
