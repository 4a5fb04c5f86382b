"""Resizes on a fake runtime: the order of changes, failures, restarts of the kubelet."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest_asyncio

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import EVENTS, PODS
from pinnace.component.metrics import render
from pinnace.kubelet.cri.runtime import CriError
from unit.kubelet.test_kubelet import World


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World, None]:
    one = World(tmp_path)
    await one.start()
    yield one
    await one.stop()


def sized(name: str, cpu: str) -> Object:
    amounts = {"cpu": cpu, "memory": "1Gi"}
    return {"name": name, "image": "app:1", "resources": {"limits": amounts, "requests": amounts}}


async def resize(world: World, *containers: Object) -> None:
    pod = meta.mutable_copy(await world.pod())
    pod["spec"]["containers"] = list(containers)
    pod["metadata"]["generation"] = pod["metadata"].get("generation", 0) + 1
    await world.client.update(PODS, pod)
    await world.pass_time(0.2)


def conditions(pod: Object) -> dict[str, Any]:
    return {one["type"]: one for one in pod["status"]["conditions"] if one["type"].startswith("PodResize")}


def quota(world: World, pod: Object) -> str:
    path = f"pinnace/kubepods/pod{pod['metadata']['uid']}/cpu.cfs_quota_us"
    return (world.config.root_dir.parent / "cpu" / path).read_text()


def updated(world: World) -> list[str]:
    names = {one.id: one.name for one in world.runtime._containers.values()}
    return [names[what] for call, what in world.runtime.calls if call == "update_container_resources"]


async def test_containers_that_give_come_before_those_that_take(world: World) -> None:
    await world.create(containers=[sized("a", "500m"), sized("b", "500m")])
    await resize(world, sized("a", "700m"), sized("b", "300m"))
    assert updated(world) == ["b", "a"]
    pod = await world.pod()
    assert quota(world, pod) == "100000"
    assert not conditions(pod)


def counted(world: World) -> dict[str, float]:
    """Every resize metric that is not zero, with its labels."""
    host = world.kubelet.host
    text = render(host.counts.families(host.allocations())).decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if "resize" in line and line[0] != "#")
    return {name.removeprefix("kubelet_"): float(value) for name, _, value in lines if "bucket" not in name}


async def test_resizes_are_counted(world: World) -> None:
    await world.create(containers=[sized("a", "500m")])
    assert counted(world) == {"pod_in_progress_resizes": 0}
    await resize(world, sized("a", "700m"))
    await resize(world, sized("a", "7000"))
    found = counted(world)
    assert found.pop('pod_resize_duration_milliseconds_sum{success="true"}') >= 0
    requested = 'container_requested_resizes_total{operation="increase",requirement="%s",resource="cpu"}'
    assert found == {
        requested % "limits": 2,
        requested % "requests": 2,
        'pod_resize_duration_milliseconds_count{success="true"}': 1,
        'pod_infeasible_resizes_total{reason_detail="insufficient_node_allocatable"}': 1,
        'pod_pending_resizes{reason="infeasible"}': 1,
        "pod_in_progress_resizes": 0,
    }


async def test_what_the_runtime_refuses_is_an_error_and_tried_again(world: World) -> None:
    await world.create(containers=[sized("a", "500m")])
    world.runtime.fail("update_container_resources", CriError("UNKNOWN", "no"))
    await resize(world, sized("a", "700m"))
    pod = await world.pod()
    progress = conditions(pod)["PodResizeInProgress"]
    assert (progress["status"], progress["reason"]) == ("True", "Error")
    status = pod["status"]["containerStatuses"][0]
    assert (status["allocatedResources"]["cpu"], status["resources"]["requests"]["cpu"]) == ("700m", "500m")
    assert quota(world, pod) == "70000"
    await world.pass_time(11)
    assert not conditions(await world.pod())
    assert (await world.entry())["resources"]["requests"]["cpu"] == "700m"
    listed = (await world.client.list(EVENTS, "default"))["items"]
    reasons = [one["reason"] for one in listed if one["reason"].startswith("Resize")]
    assert reasons == ["ResizeStarted", "ResizeError", "ResizeCompleted"]


async def test_a_restarted_kubelet_goes_on_with_what_was_granted(world: World) -> None:
    await world.create(containers=[sized("a", "500m")])
    world.runtime.fail("update_container_resources", CriError("UNKNOWN", "no"))
    await resize(world, sized("a", "700m"))
    await world.stop()
    await world.start()
    await world.pass_time(0.2)
    assert updated(world) == ["a", "a"]
    assert not conditions(await world.pod())


async def test_a_resize_asked_for_while_the_kubelet_was_away_is_decided_when_it_is_back(world: World) -> None:
    await world.create(containers=[sized("a", "500m")])
    await world.stop()
    await resize(world, sized("a", "900"))
    await world.start()
    await world.pass_time(0.2)
    pod = await world.pod()
    assert conditions(pod)["PodResizePending"]["reason"] == "Infeasible"
    assert pod["status"]["containerStatuses"][0]["allocatedResources"]["cpu"] == "500m"


async def test_a_container_that_waits_to_restart_starts_with_its_new_size(world: World) -> None:
    await world.create(containers=[sized("a", "500m")])
    for _ in range(2):
        world.runtime.exit_container(world.runtime.container_named("a").id, 1)
        await world.pass_time(1)
    assert (await world.entry())["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    await resize(world, sized("a", "700m"))
    assert updated(world) == []
    await world.pass_time(12)
    newest = world.runtime.container_named("a")
    assert world.runtime.configs[newest.id]["linux"]["resources"]["cpu_quota"] == 70_000
    assert not conditions(await world.pod())
