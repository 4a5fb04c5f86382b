"""Pods that end because of the node: it runs short of process ids or inodes, or it is shut down; and images make room."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.kubelet.node import IMAGE, WAIT, Node, container, shell
from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import PRIORITY_CLASSES
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


async def test_a_soft_threshold_waits_then_takes_who_is_above_its_request_and_leaves_it_time(
    node: Node,
) -> None:
    """The one above its request goes first, although the other one uses more and counts less."""
    await node.stop()
    node.config = replace(
        node.config, eviction_hard={}, eviction_soft={"memory.available": "99.9999%"},
        eviction_soft_grace_seconds={"memory.available": 2.0}, eviction_max_pod_grace_period=20,
    )  # fmt: skip
    await node.start()
    important = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "important"}, "value": 1000}  # fmt: skip
    await node.client.create(PRIORITY_CLASSES, important)
    await node.create(
        "above", holding(5, "1Mi"), priorityClassName="important", terminationGracePeriodSeconds=30
    )
    await node.create("within", holding(15, "200Mi"), terminationGracePeriodSeconds=30)
    above, within = [meta.uid(await node.running(name)) for name in ("above", "within")]
    kubelet = node.kubelet
    eviction = Eviction(kubelet.host, node.clock, kubelet.recorder, StatsProvider(kubelet.host, node.clock))
    begun = node.clock.monotonic()
    assert await eviction.synchronize() == []
    await eventually(lambda: node.has_condition("MemoryPressure"))
    assert await eventually(eviction.synchronize) == [above]
    assert node.clock.monotonic() - begun >= 2.0
    assert await eventually(eviction.synchronize) == [within]
    pod = await node.until("above", failed)
    assert pod["status"]["reason"] == "Evicted"
    assert "Container c was using " in pod["status"]["message"]
    assert "request is 1Mi, has larger consumption of memory. " in pod["status"]["message"]
    ended = container(pod)["state"]["terminated"]
    assert ended["exitCode"] == 7  # it had more than the second that a hard threshold leaves
    pod = await node.until("within", failed)
    assert pod["status"]["reason"] == "Evicted"
    assert "Container c was using" not in pod["status"]["message"]


def holding(megabytes: int, request: str) -> Object:
    """A container that is ready when it holds so much memory, and takes two seconds to end."""
    script = (
        f"held=$(head -c {megabytes}000000 /dev/zero | tr '\\0' x); trap 'sleep 2; exit 7' TERM; touch /held;"
        " while :; do sleep 0.05; done"
    )
    probe = {"exec": {"command": ["test", "-e", "/held"]}, "periodSeconds": 1}
    return shell(script, resources={"requests": {"memory": request}}, readinessProbe=probe)


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
