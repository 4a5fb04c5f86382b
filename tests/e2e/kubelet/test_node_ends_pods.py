"""Pods that end because of the node: it runs short of process ids or inodes, or it is shut down; and images make room."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.kubelet.node import IMAGE, WAIT, Node, shell
from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.cluster import demo, images
from pinnace.cluster.image_archive import ImageSettings
from pinnace.kubelet.cri.private_containerd import PrivateContainerd
from pinnace.kubelet.eviction_runner import Eviction
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e

MANY = f"for i in $(seq 60); do sleep 1000 & done; for i in $(seq 300); do touch /tmp/$i; done; {WAIT}"


def failed(pod: Object) -> bool:
    return pod["status"].get("phase") == "Failed"


@pytest.mark.parametrize(
    ("signal", "resource", "kind"),
    [("pid.available", "pids", "PIDPressure"), ("nodefs.inodesFree", "inodes", "DiskPressure")],
)
async def test_a_node_that_runs_short_evicts_and_spares_critical_pods(
    node: Node, signal: str, resource: str, kind: str
) -> None:
    await node.create("greedy", shell(MANY))
    await node.create("critical", priorityClassName="system-node-critical")
    await node.running("greedy")
    await node.running("critical")
    await node.stop()
    node.config = replace(node.config, eviction_hard={signal: "99.9999%"})
    node.start_without_waiting()
    kubelet = node.kubelet
    stats = StatsProvider(kubelet.host, node.clock)
    kubelet.attach(edges=(Eviction(kubelet.host, node.clock, kubelet.recorder, stats),))
    pod = await node.until("greedy", failed, within=60)
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"].startswith(f"The node was low on resource: {resource}.")
    assert kubelet.host.counts.evictions == {signal: 1}
    assert (await node.pod("critical"))["status"]["phase"] == "Running"
    await eventually(lambda: node.has_condition(kind))


class Button:
    """Somebody who can shut the machine down."""

    def __init__(self) -> None:
        self.pressed, self.released = asyncio.Event(), asyncio.Event()

    async def events(self) -> AsyncGenerator[bool, None]:
        await self.pressed.wait()
        yield True
        await asyncio.Event().wait()

    async def delay(self) -> None:
        """Nobody but the kubelet is asked here."""

    async def release(self) -> None:
        self.released.set()


async def test_a_shutdown_ends_pods_first_ordinary_ones(node: Node) -> None:
    await node.stop()
    node.config = replace(node.config, shutdown_seconds=60.0, shutdown_critical_seconds=30.0)
    button = Button()
    node.start_without_waiting()
    node.kubelet.handle_shutdown(button)
    slow = "trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.05; done"
    await node.create("ordinary", shell(slow))
    await node.create("critical", priorityClassName="system-node-critical")
    running = [await node.running(name) for name in ("ordinary", "critical")]
    button.pressed.set()
    await asyncio.wait_for(button.released.wait(), 60)
    ends = [node.kubelet.host.container(meta.uid(pod), "c") for pod in running]
    first, second = (one.finished_at for one in ends if one is not None)
    assert 0 < first < second
    pod = await node.until("ordinary", failed)
    assert pod["status"]["reason"] == "Terminated"
    assert pod["status"]["message"] == "Pod was terminated in response to imminent node shutdown."
    await node.create("late")
    late = await node.until("late", failed)
    assert late["status"]["reason"] == "NodeShutdown"


async def test_images_that_nothing_uses_make_room(
    node: Node, containerd: PrivateContainerd, tmp_path: Path
) -> None:
    (tmp_path / "image").mkdir()
    demo.root_directory(tmp_path / "image")
    for name in ("idle", "busy"):
        images.load(
            str(containerd.config.socket),
            tmp_path / "image",
            f"pinnace.local/{name}:1",
            ImageSettings(cmd=(name,)),
        )
    await node.create("user", {**shell(WAIT), "image": "pinnace.local/busy:1"})
    await node.running("user")
    kept = [tag for image in await node.runtime.list_images() for tag in (image.id, *image.repo_tags)]
    await node.stop()
    node.config = replace(node.config, pinned_images=tuple(tag for tag in kept if _is_of_others(tag)))
    await node.start()
    await node.running("user")
    await node.kubelet.reclaim_disk()
    assert await node.runtime.image_status("pinnace.local/idle:1") is None
    for name in ("pinnace.local/busy:1", IMAGE):
        assert await node.runtime.image_status(name) is not None
    await node.delete("user")
    await node.runtime.remove_image("pinnace.local/busy:1")


def _is_of_others(tag: str) -> bool:
    return "/" in tag and "idle" not in tag and "busy" not in tag
