"""Pods resized in place: status, events, restarts, and what the kernel was told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from e2e.kubelet.node import NAMESPACE, WAIT, Node, container, shell
from pinnace.api.meta import Object
from pinnace.api.resources import PODS, PRIORITY_CLASSES
from pinnace.client.interface import STRATEGIC_MERGE_PATCH

pytestmark = pytest.mark.e2e

MI = 1024 * 1024
PREFIX = "[sig-node] Pod InPlace Resize Container "
SUFFIX = " [MinimumKubeletVersion:1.34] [Conformance]"
GUARANTEED = f"{PREFIX}guaranteed pods with multiple containers 3 containers - "


def amounts(cpu: str = "", memory: str = "") -> dict[str, str]:
    return {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}


def sized(name: str, requests: dict[str, str], limits: dict[str, str], **fields: Any) -> dict[str, Any]:
    return shell(WAIT, name, resources={"requests": requests, "limits": limits}, **fields)


def guaranteed(name: str, cpu: str, memory: str, **fields: Any) -> dict[str, Any]:
    return sized(name, amounts(cpu, memory), amounts(cpu, memory), **fields)


async def resize(node: Node, pod: str, **sizes: dict[str, Any]) -> Object:
    change = {"spec": {"containers": [{"name": name, "resources": one} for name, one in sizes.items()]}}
    return await node.client.patch(
        PODS, pod, change, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH, subresource="resize"
    )


def both(cpu: str, memory: str) -> dict[str, Any]:
    return {"requests": amounts(cpu, memory), "limits": amounts(cpu, memory)}


def conditions(pod: Object) -> dict[str, Object]:
    return {one["type"]: one for one in pod["status"]["conditions"] if one["type"].startswith("PodResize")}


async def resized(node: Node, name: str) -> Object:
    """When status and spec agree, and nothing is on its way."""

    def holds(pod: Object) -> bool:
        if conditions(pod) or pod["status"]["observedGeneration"] != pod["metadata"]["generation"]:
            return False
        return all(
            container(pod, one["name"]).get("resources") == one.get("resources", {})
            for one in pod["spec"]["containers"]
        )

    return await node.until(name, holds)


def kernel(node: Node, pod: Object, name: str = "") -> dict[str, int]:
    """shares, quota (-1: none) and memory limit of a container, or of the pod."""
    path = node.kubelet.cgroups.path(pod).lstrip("/")
    if name:
        path += "/" + container(pod, name)["containerID"].removeprefix("containerd://")
    root = Path("/sys/fs/cgroup")
    if not (root / "memory").is_dir():
        quota = (root / path / "cpu.max").read_text().split()[0]
        memory = (root / path / "memory.max").read_text().strip()
        return {
            "quota": -1 if quota == "max" else int(quota),
            "memory": -1 if memory == "max" else int(memory),
        }
    found = int((root / "memory" / path / "memory.limit_in_bytes").read_text())
    return {
        "quota": int((root / "cpu" / path / "cpu.cfs_quota_us").read_text()),
        "memory": -1 if found > 1 << 60 else found,
    }


async def check_guaranteed(node: Node, before: list[tuple[int, int]], after: list[tuple[int, int]]) -> None:
    """Three containers of (millicores, MiB) become others, none restarts, and all goes back again."""
    names = [f"c{index + 1}" for index in range(len(before))]
    await node.create(
        "web",
        *(guaranteed(name, f"{cpu}m", f"{mem}Mi") for name, (cpu, mem) in zip(names, before, strict=True)),
    )
    started = await node.running("web")
    for sizes in (after, before):
        wanted = {name: both(f"{cpu}m", f"{mem}Mi") for name, (cpu, mem) in zip(names, sizes, strict=True)}
        await resize(node, "web", **wanted)
        pod = await resized(node, "web")
        for name, (cpu, memory) in zip(names, sizes, strict=True):
            assert kernel(node, pod, name) == {"quota": cpu * 100, "memory": memory * MI}
            status = container(pod, name)
            assert status["restartCount"] == 0
            assert status["containerID"] == container(started, name)["containerID"]
            assert status["allocatedResources"] == amounts(f"{cpu}m", f"{memory}Mi")
        total_cpu, total_memory = sum(cpu for cpu, _ in sizes), sum(memory for _, memory in sizes)
        assert kernel(node, pod) == {"quota": total_cpu * 100, "memory": total_memory * MI}
    reasons = [reason for _, reason, _ in await node.events("web") if reason.startswith("Resize")]
    assert reasons == ["ResizeStarted", "ResizeCompleted"] * 2


@pytest.mark.conformance(
    f"{GUARANTEED}increase cpu & mem on c1, c2, decrease cpu & mem on c3 - net increase{SUFFIX}"
)
async def test_three_containers_grow_together(node: Node) -> None:
    await check_guaranteed(node, [(40, 40), (40, 40), (40, 40)], [(60, 60), (60, 60), (30, 30)])


@pytest.mark.conformance(
    f"{GUARANTEED}increase cpu & mem on c1, decrease cpu & mem on c2, c3 - net decrease{SUFFIX}"
)
async def test_three_containers_shrink_together(node: Node) -> None:
    await check_guaranteed(node, [(40, 40), (40, 40), (40, 40)], [(50, 50), (30, 30), (30, 30)])


@pytest.mark.conformance(f"{GUARANTEED}increase: CPU (c1,c3), memory (c2, c3) ; decrease: CPU (c2){SUFFIX}")
async def test_cpu_and_memory_go_different_ways(node: Node) -> None:
    await check_guaranteed(node, [(40, 40), (50, 40), (40, 40)], [(60, 40), (30, 60), (60, 60)])


@pytest.mark.conformance(
    f"{PREFIX}burstable pods - extended 6 containers - various operations performed"
    f" (including adding limits and requests){SUFFIX}"
)
async def test_six_containers_each_in_its_own_way(node: Node) -> None:
    low, high = amounts("20m", "32Mi"), amounts("40m", "64Mi")
    restart = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    await node.create(
        "web",
        shell(WAIT, "c1"),
        sized("c2", low, {}),
        sized("c3", low, high),
        sized("c4", low, high, resizePolicy=restart),
        sized("c5", amounts("20m"), amounts("40m")),
        shell(WAIT, "c6", resources={"requests": amounts(memory="32Mi")}),
    )
    await node.running("web")
    more, most = amounts("30m", "48Mi"), amounts("60m", "96Mi")
    await resize(
        node, "web",
        c1={"requests": low, "limits": high}, c2={"requests": low, "limits": high},
        c3={"requests": more, "limits": most}, c4={"requests": more, "limits": most},
        c5={"requests": low, "limits": high}, c6={"requests": low},
    )  # fmt: skip
    pod = await resized(node, "web")
    small, big = {"quota": 4000, "memory": 64 * MI}, {"quota": 6000, "memory": 96 * MI}
    found = {name: kernel(node, pod, name) for name in ("c1", "c2", "c3", "c4", "c5", "c6")}
    assert found == {
        "c1": small, "c2": small, "c3": big, "c4": big, "c5": small, "c6": {"quota": -1, "memory": -1},
    }  # fmt: skip
    restarts = {one["name"]: one["restartCount"] for one in pod["status"]["containerStatuses"]}
    assert restarts == {"c1": 0, "c2": 0, "c3": 0, "c4": 1, "c5": 0, "c6": 0}
    assert ("Normal", "Killing", "Container c4 resize requires restart") in await node.events("web")


@pytest.mark.conformance(f"{PREFIX}burstable pods - extended resize with equivalents{SUFFIX}")
async def test_amounts_that_mean_the_same_to_the_kernel_show_as_asked(node: Node) -> None:
    await node.create(
        "web",
        sized("c1", amounts("2m"), amounts("10m")),
        sized("c2", amounts("4m"), amounts("5m")),
    )
    await node.running("web")
    await resize(
        node, "web",
        c1={"requests": amounts("1m"), "limits": amounts("5m")},
        c2={"requests": amounts("1m"), "limits": amounts("10m")},
    )  # fmt: skip
    pod = await resized(node, "web")
    assert container(pod, "c1")["resources"] == {"requests": {"cpu": "1m"}, "limits": {"cpu": "5m"}}
    assert container(pod, "c2")["resources"] == {"requests": {"cpu": "1m"}, "limits": {"cpu": "10m"}}


@pytest.mark.conformance(f"{PREFIX}resize pod via the replace endpoint{SUFFIX}")
async def test_a_resize_by_replacement(node: Node) -> None:
    await node.create("web", guaranteed("c", "20m", "32Mi"))
    await node.running("web")
    body = await node.client.get(PODS, "web", NAMESPACE, subresource="resize")
    body["spec"]["containers"][0]["resources"] = both("40m", "64Mi")
    await node.client.update(PODS, body, subresource="resize")
    pod = await resized(node, "web")
    assert kernel(node, pod, "c") == {"quota": 4000, "memory": 64 * MI}
    assert await node.client.get(PODS, "web", NAMESPACE, subresource="resize") == pod


async def test_a_resize_that_can_never_fit_is_infeasible_and_can_be_taken_back(node: Node) -> None:
    await node.create("web", guaranteed("c", "20m", "32Mi"))
    await node.running("web")
    await resize(node, "web", c=both("4000", "32Mi"))
    pod = await node.until("web", conditions)
    pending = conditions(pod)["PodResizePending"]
    capacity = int(node.kubelet.facts.allocatable["cpu"] * 1000)
    text = f"Node didn't have enough capacity: cpu, requested: 4000000, capacity: {capacity}"
    assert (pending["status"], pending["reason"], pending["message"]) == ("True", "Infeasible", text)
    assert pending["observedGeneration"] == pod["metadata"]["generation"]
    assert container(pod)["allocatedResources"] == amounts("20m", "32Mi")
    shown = (
        'Pod resize Infeasible: {"containers":[{"name":"c","resources":{"limits":{"cpu":"4k","memory":"32Mi"},'
        f'"requests":{{"cpu":"4k","memory":"32Mi"}}}}}}],"generation":2,"error":"{text}"}}'
    )
    assert ("Warning", "ResizeInfeasible", shown) in await node.events("web")
    await resize(node, "web", c=both("20m", "32Mi"))
    await resized(node, "web")


async def test_deferred_resizes_go_by_priority_when_room_appears_and_outlast_the_kubelet(node: Node) -> None:
    whole = int(node.kubelet.facts.allocatable["cpu"] * 1000)
    most = f"{whole - 100}m"
    high = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 9,
    }
    await node.client.create(PRIORITY_CLASSES, high)
    await node.create("big", shell(WAIT, resources={"requests": amounts(most)}))
    await node.create("low", shell(WAIT, resources={"requests": amounts("20m")}))
    await node.create("high", shell(WAIT, resources={"requests": amounts("20m")}), priorityClassName="high")
    for name in ("big", "low", "high"):
        await node.running(name)
    wanted = {"requests": amounts(f"{whole - 100}m")}
    await resize(node, "low", c=wanted)
    await resize(node, "high", c=wanted)
    pods = await asyncio.gather(*(node.until(name, conditions) for name in ("low", "high")))
    pending = [conditions(pod)["PodResizePending"] for pod in pods]
    assert [one["reason"] for one in pending] == ["Deferred", "Deferred"]
    assert pending[0]["message"].startswith(
        f"Node didn't have enough resource: cpu, requested: {whole - 100}, used: "
    )
    await node.stop()
    await node.start()
    pod = await node.pod("high")
    assert container(pod)["allocatedResources"] == amounts("20m")
    await node.delete("big")
    pod = await resized(node, "high")
    assert container(pod)["restartCount"] == 0
    assert conditions(await node.pod("low"))["PodResizePending"]["reason"] == "Deferred"


async def test_memory_limits_do_not_go_below_what_is_used(node: Node) -> None:
    script = f"head -c 30000000 /dev/zero > /held/zero; {WAIT}"
    volume = {"name": "held", "emptyDir": {"medium": "Memory"}}
    await node.create(
        "web",
        shell(script, resources=both("500m", "64Mi"), volumeMounts=[{"name": "held", "mountPath": "/held"}]),
        volumes=[volume],
    )
    pod = await node.running("web")
    while int(await node.sh(pod, "wc -c < /held/zero")) < 30000000:
        await asyncio.sleep(0.05)
    await resize(node, "web", c=both("500m", "16Mi"))
    pod = await node.until("web", lambda pod: "Error" in str(conditions(pod)))
    progress = conditions(pod)["PodResizeInProgress"]
    assert progress["message"].startswith(
        "cannot decrease memory limits: [attempting to set pod memory limit (16777216) below current usage ("
    )
    assert 'attempting to set container "c" memory limit (16777216) below' in progress["message"]
    assert container(pod)["allocatedResources"]["memory"] == "16Mi"
    assert container(pod)["resources"]["limits"]["memory"] == "64Mi"
    await resize(node, "web", c=both("500m", "128Mi"))
    pod = await resized(node, "web")
    assert kernel(node, pod, "c")["memory"] == 128 * MI


async def test_a_sidecar_is_resized_too(node: Node) -> None:
    sidecar = guaranteed("s", "20m", "32Mi", restartPolicy="Always")
    await node.create("web", guaranteed("c", "20m", "32Mi"), initContainers=[sidecar])
    await node.running("web")
    change = {"spec": {"initContainers": [{"name": "s", "resources": both("40m", "48Mi")}]}}
    await node.client.patch(
        PODS, "web", change, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH, subresource="resize"
    )

    def is_done(pod: Object) -> bool:
        status = container(pod, "s", "initContainerStatuses")
        return status["resources"] == both("40m", "48Mi") and not conditions(pod)

    pod = await node.until("web", is_done)
    assert container(pod, "s", "initContainerStatuses")["restartCount"] == 0
    assert kernel(node, pod) == {"quota": 6000, "memory": 80 * MI}


async def test_resources_of_a_pod_as_a_whole_bound_it_and_are_resized(node: Node) -> None:
    await node.create("web", shell(WAIT, "c1"), shell(WAIT, "c2"), resources=both("40m", "64Mi"))
    pod = await node.running("web")
    assert pod["status"]["qosClass"] == "Guaranteed"
    assert kernel(node, pod) == {"quota": 4000, "memory": 64 * MI}
    assert kernel(node, pod, "c1") == {"quota": -1, "memory": -1}
    change = {"spec": {"resources": both("60m", "48Mi")}}
    await node.client.patch(
        PODS, "web", change, NAMESPACE, content_type=STRATEGIC_MERGE_PATCH, subresource="resize"
    )

    def is_done(pod: Object) -> bool:
        return pod["status"]["resources"] == both("60m", "48Mi") and not conditions(pod)

    pod = await node.until("web", is_done)
    assert pod["status"]["allocatedResources"] == amounts("60m", "48Mi")
    assert kernel(node, pod) == {"quota": 6000, "memory": 48 * MI}
    assert [one["restartCount"] for one in pod["status"]["containerStatuses"]] == [0, 0]
