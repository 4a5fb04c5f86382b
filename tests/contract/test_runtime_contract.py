"""What every container runtime must do for the kubelet: the fake always, containerd where it and root are there."""

import os
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from pinnace.component.clock import RealClock
from pinnace.kubelet.cgroups.hierarchy import detect
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.runtime import ContainerRuntime, ContainerState, CriError
from pinnace.testing.fake_runtime import FakeRuntime
from pinnace.testing.wait import eventually

IMAGE = "pinnace.local/pause:1"
CGROUP = f"/pinnace-contract-{os.getpid()}"
LABELS = {"io.kubernetes.pod.uid": "contract"}


def sandbox_config(directory: Any, attempt: int = 0) -> dict[str, Any]:
    return {
        "metadata": {"name": "box", "uid": "contract", "namespace": "default", "attempt": attempt},
        "hostname": "box",
        "log_directory": str(directory),
        "labels": LABELS,
        "annotations": {"note": "kept"},
        "linux": {"cgroup_parent": CGROUP, "security_context": {"namespace_options": {"pid": 1}}},
    }


def container_config(name: str = "c", attempt: int = 0) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "attempt": attempt},
        "image": {"image": IMAGE, "user_specified_image": IMAGE},
        "labels": {**LABELS, "io.kubernetes.container.name": name},
        "annotations": {"io.kubernetes.container.restartCount": str(attempt)},
        "log_path": f"{name}/{attempt}.log",
    }


@pytest_asyncio.fixture(params=["fake", pytest.param("containerd", marks=pytest.mark.e2e)])
async def runtime(request: pytest.FixtureRequest) -> AsyncGenerator[ContainerRuntime, None]:
    if request.param == "fake":
        yield FakeRuntime(RealClock(), [IMAGE])
        return
    server = request.getfixturevalue("containerd")
    client = CriClient(server.endpoint, RealClock())
    yield client
    for box in await client.list_sandboxes(labels=LABELS):
        await client.stop_sandbox(box.id)
        await client.remove_sandbox(box.id)
    await client.close()
    detect().remove(CGROUP)


async def test_tells_version_and_conditions(runtime: ContainerRuntime) -> None:
    assert (await runtime.version()).name
    assert {one.type: one.status for one in await runtime.status()}["RuntimeReady"]


async def test_a_sandbox_from_run_to_remove(runtime: ContainerRuntime, tmp_path: Any) -> None:
    box = await runtime.run_sandbox(sandbox_config(tmp_path, attempt=2))
    status = await runtime.sandbox_status(box)
    assert (status.name, status.namespace, status.uid, status.attempt) == ("box", "default", "contract", 2)
    assert status.is_ready
    assert len(status.ips) == 1
    assert not status.on_host_network
    assert status.annotations["note"] == "kept"
    assert [one.id for one in await runtime.list_sandboxes(labels=LABELS)] == [box]
    await runtime.stop_sandbox(box)
    await runtime.stop_sandbox(box)
    assert not (await runtime.sandbox_status(box)).is_ready
    await runtime.remove_sandbox(box)
    await runtime.remove_sandbox(box)
    assert await runtime.list_sandboxes(labels=LABELS) == []
    with pytest.raises(CriError) as caught:
        await runtime.sandbox_status(box)
    assert caught.value.is_not_found


async def test_a_container_from_create_to_remove(runtime: ContainerRuntime, tmp_path: Any) -> None:
    config = sandbox_config(tmp_path)
    box = await runtime.run_sandbox(config)
    own = await runtime.create_container(box, container_config(attempt=1), config)
    status = await runtime.container_status(own)
    assert (status.state, status.name, status.attempt) == (ContainerState.CREATED, "c", 1)
    await runtime.start_container(own)
    status = await runtime.container_status(own)
    assert status.state == ContainerState.RUNNING
    assert status.started_at > status.created_at > 0
    assert status.image == IMAGE
    (listed,) = await runtime.list_containers(labels=LABELS)
    assert (listed.id, listed.sandbox_id, listed.state) == (own, box, ContainerState.RUNNING)
    assert await runtime.list_containers(sandbox_id="no such sandbox") == []
    with pytest.raises(CriError):
        await runtime.start_container(own)
    await runtime.stop_container(own, 2)
    status = await runtime.container_status(own)
    assert status.state == ContainerState.EXITED
    assert status.finished_at > status.started_at
    await runtime.stop_container(own, 2)
    await runtime.remove_container(own)
    await runtime.remove_container(own)
    assert await runtime.list_containers(labels=LABELS) == []
    with pytest.raises(CriError) as caught:
        await runtime.container_status(own)
    assert caught.value.is_not_found


async def test_stopping_the_sandbox_ends_its_containers(runtime: ContainerRuntime, tmp_path: Any) -> None:
    config = sandbox_config(tmp_path)
    box = await runtime.run_sandbox(config)
    own = await runtime.create_container(box, container_config(), config)
    await runtime.start_container(own)
    await runtime.stop_sandbox(box)

    async def ended() -> bool:
        return (await runtime.container_status(own)).state == ContainerState.EXITED

    await eventually(ended)


async def test_images(runtime: ContainerRuntime) -> None:
    image = await runtime.image_status(IMAGE)
    assert image is not None
    assert IMAGE in image.repo_tags
    assert image.id in {one.id for one in await runtime.list_images()}
    assert await runtime.image_status("example.com/not-there:1") is None
    assert (await runtime.image_status(image.id)) == image
    with pytest.raises(CriError):
        await runtime.pull_image("127.0.0.1:1/not-there:1")


async def test_statistics_of_running_containers(runtime: ContainerRuntime, tmp_path: Any) -> None:
    config = sandbox_config(tmp_path)
    box = await runtime.run_sandbox(config)
    own = await runtime.create_container(box, container_config(), config)
    await runtime.start_container(own)
    stats = await runtime.container_stats(own)
    assert stats.name == "c"
    assert stats.memory_working_set_bytes is not None
    assert own in {one.id for one in await runtime.list_container_stats(labels=LABELS)}
