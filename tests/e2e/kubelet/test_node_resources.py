"""What a node keeps for itself, limits for every pod, and gives to critical pods first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.kubelet.node import WAIT, Node, container, shell
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.apimachinery import quantity
from pinnace.testing.wait import eventually

pytestmark = pytest.mark.e2e

MI = 1024 * 1024
CGROUPS = Path("/sys/fs/cgroup")


async def restart(node: Node, **settings: Any) -> None:
    await node.stop()
    node.config = replace(node.config, **settings)
    await node.start()


def written(path: str, v1: tuple[str, str], v2: str) -> int:
    """A file of a control group, on either hierarchy."""
    if (CGROUPS / "memory").is_dir():
        return int((CGROUPS / v1[0] / path.lstrip("/") / v1[1]).read_text())
    return int((CGROUPS / path.lstrip("/") / v2).read_text())


async def test_processes_are_limited_per_pod(node: Node) -> None:
    await restart(node, pod_max_pids=20)
    await node.create("web")
    pod = await node.running("web")
    path = node.kubelet.cgroups.path(pod)
    assert written(path, ("pids", "pids.max"), "pids.max") == 20
    text = await node.sh(pod, "for i in $(seq 30); do sleep 1 & done; wait")
    assert "fork" in text


async def test_what_is_reserved_is_not_given_to_pods(node: Node) -> None:
    reserved = {"cpu": "500m", "memory": "1Gi", "pid": "1000"}
    await restart(
        node,
        kube_reserved=reserved,
        system_reserved={"memory": "1Gi"},
        eviction_hard={"memory.available": "100Mi"},
    )

    async def posted() -> tuple[Object, Object] | None:
        status = (await node.client.get(NODES, "node-1"))["status"]
        capacity, allocatable = status["capacity"], status["allocatable"]
        return (capacity, allocatable) if capacity["cpu"] != allocatable["cpu"] else None

    found = await eventually(posted)
    assert found is not None
    capacity, allocatable = found
    assert quantity.parse(capacity["cpu"]) - quantity.parse(allocatable["cpu"]) == quantity.parse("500m")
    kept = quantity.whole(capacity["memory"]) - quantity.whole(allocatable["memory"])
    assert kept == (2 * 1024 + 100) * MI
    root = node.kubelet.cgroups.root
    limit = written(root, ("memory", "memory.limit_in_bytes"), "memory.max")
    assert limit // 4096 == (quantity.whole(capacity["memory"]) - 2 * 1024 * MI) // 4096
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    assert written(root, ("pids", "pids.max"), "pids.max") == most - 1000


async def test_burstable_pods_weigh_together_what_they_request(node: Node) -> None:
    if not (CGROUPS / "cpu").is_dir():
        pytest.skip("weights of cgroup v2 are covered by unit tests")
    group = f"{node.kubelet.cgroups.root}/burstable"
    for name in ("a", "b"):
        await node.create(name, shell(WAIT, resources={"requests": {"cpu": "250m"}}))
    await node.running("a")
    await node.running("b")
    assert written(group, ("cpu", "cpu.shares"), "") == 512
    await node.delete("a")
    assert written(group, ("cpu", "cpu.shares"), "") == 256


async def test_memory_limits_leave_no_swap(node: Node) -> None:
    if not node.kubelet.cgroups.rules.counts_swap:
        pytest.skip("this kernel does not count swap")
    await node.create("web", shell(WAIT, resources={"limits": {"memory": "32Mi"}}))
    pod = await node.running("web")
    path = f"{node.kubelet.cgroups.path(pod)}/{container(pod)['containerID'].removeprefix('containerd://')}"
    swap = written(path, ("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max")
    assert swap == (32 * MI if (CGROUPS / "memory").is_dir() else 0)


async def test_a_critical_pod_takes_the_room_of_others(node: Node) -> None:
    whole = int(node.kubelet.facts.allocatable["cpu"] * 1000)
    await node.create("victim", shell(WAIT, resources={"requests": {"cpu": f"{whole - 50}m"}}))
    await node.create("other", shell(WAIT, resources={"requests": {"cpu": "20m"}}))
    await node.running("victim")
    await node.running("other")
    wanted = shell(WAIT, resources={"requests": {"cpu": "100m"}})
    await node.create("refused", wanted)
    refused = await node.until("refused", lambda pod: pod["status"].get("phase") == "Failed")
    assert refused["status"]["reason"] == "OutOfcpu"
    await node.create("critical", wanted, priorityClassName="system-node-critical")
    await node.running("critical")
    victim = await node.pod("victim")
    assert (victim["status"]["phase"], victim["status"]["reason"]) == ("Failed", "Preempting")
    assert victim["status"]["message"] == "Preempted in order to admit critical pod"
    target = next(one for one in victim["status"]["conditions"] if one["type"] == "DisruptionTarget")
    assert target["reason"] == "TerminationByKubelet"
    expected = ("Warning", "Preempting", "Preempted in order to admit critical pod")
    assert expected in await node.events("victim")
    assert (await node.pod("other"))["status"]["phase"] == "Running"


async def test_volumes_of_huge_pages(node: Node) -> None:
    if not Path("/sys/kernel/mm/hugepages/hugepages-2048kB").is_dir():
        pytest.skip("this kernel has no huge pages of 2 MiB")
    await node.create("web", volumes=[{"name": "huge", "emptyDir": {"medium": "HugePages"}}])
    text = "hugePages storage requested, but there is no resource request for huge pages."

    async def events_of(name: str) -> str:
        return str(await node.events(name))

    await node.until("web", lambda pod: pod["status"].get("phase") == "Pending")
    while text not in await events_of("web"):
        await node.clock.sleep(0.05)
