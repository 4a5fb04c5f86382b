"""The kubelet's loops on a fake runtime, a fake API and a fake clock."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from pinnace.api.meta import Object
from pinnace.api.resources import LEASES, NODES, PODS, SECRETS
from pinnace.kubelet.cgroups.hierarchy import CgroupV1
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.runtime import CriError, RuntimeCondition
from pinnace.kubelet.kubelet import Kubelet
from pinnace.kubelet.shutdown.manager import ShutdownSignals
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from pinnace.testing.fake_runtime import FakeRuntime
from pinnace.testing.wait import eventually


class World:
    """`probes` are attached at the next start."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = FakeClock()
        self.client = FakeClient()
        self.runtime = FakeRuntime(self.clock, ["app:1"])
        self.config = KubeletConfig(
            node_name="n", node_ip="192.0.2.1", root_dir=tmp_path / "kubelet", pod_logs_dir=tmp_path / "logs"
        )
        self.hierarchy = CgroupV1({"cpu": tmp_path / "cpu", "memory": tmp_path / "memory"})
        self._task: asyncio.Task[None] | None = None
        self.probes: SilentProbes | None = None
        self.signals: ShutdownSignals | None = None

    async def start(self) -> None:
        kubelet = Kubelet(self.client, self.clock, self.config, self.runtime, hierarchy=self.hierarchy)
        self.kubelet = kubelet
        if self.probes is not None:
            kubelet.attach(probes=self.probes)
        if self.signals is not None:
            kubelet.handle_shutdown(self.signals)
        self._task = asyncio.create_task(kubelet.run())
        await self.pass_time(0.1)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def pass_time(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        for _ in range(5):  # file work happens in threads, outside the fake clock
            await asyncio.sleep(0.005)
            await self.clock.settle()

    async def create(self, name: str = "web", **spec: Any) -> None:
        container = {"name": "c", "image": "app:1"}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "n", "containers": [container], "restartPolicy": "Always", **spec},
        }
        await self.client.create(PODS, body, "default")
        await self.pass_time(0.1)

    async def pod(self, name: str = "web") -> Object:
        return await self.client.get(PODS, name, "default")

    async def entry(self) -> dict[str, Any]:
        return (await self.pod())["status"]["containerStatuses"][0]

    def count(self, method: str) -> int:
        return sum(one == method for one, _ in self.runtime.calls)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World, None]:
    one = World(tmp_path)
    await one.start()
    yield one
    await one.stop()


async def test_registers_its_node_and_renews_the_lease(world: World) -> None:
    node = await world.client.get(NODES, "n")
    ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n"
    first = (await world.client.get(LEASES, "n", "kube-node-lease"))["spec"]["renewTime"]
    await world.pass_time(11)
    assert (await world.client.get(LEASES, "n", "kube-node-lease"))["spec"]["renewTime"] > first


async def test_a_broken_network_makes_the_node_not_ready(world: World) -> None:
    world.runtime.conditions[1] = RuntimeCondition("NetworkReady", False, "NoCNI", "cni not initialized")
    await world.pass_time(11)
    node = await world.client.get(NODES, "n")
    ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "KubeletNotReady"
    text = "container runtime network not ready: NetworkReady=false reason:NoCNI message:cni not initialized"
    assert ready["message"] == text
    await world.create()
    assert (await world.entry())["state"]["waiting"]["reason"] == "ContainerCreating"
    assert world.count("run_sandbox") == 0


async def test_a_pod_becomes_running(world: World) -> None:
    await world.create()
    pod = await world.pod()
    assert pod["status"]["phase"] == "Running"
    assert (world.count("run_sandbox"), world.count("start_container")) == (1, 1)


async def test_back_off_doubles_from_ten_seconds(world: World) -> None:
    await world.create()
    waits = []
    for _ in range(4):
        world.runtime.exit_container(world.runtime.container_named("c").id, 1)
        started, waited = world.count("start_container"), 0
        while world.count("start_container") == started:
            await world.pass_time(1)
            waited += 1
        waits.append(waited)
    assert waits[0] <= 2
    for wait, expected in zip(waits[1:], (10, 20, 40), strict=True):
        assert expected <= wait <= expected + 2
    assert (await world.entry())["restartCount"] == 4


async def test_a_restarted_kubelet_leaves_containers_alone(world: World) -> None:
    await world.create()
    before = world.count("start_container")
    await world.stop()
    await world.start()
    await world.pass_time(70)
    assert world.count("start_container") == before
    assert world.count("stop_container") == 0
    assert (await world.pod())["status"]["phase"] == "Running"


async def test_a_deleted_pod_leaves_nothing(world: World) -> None:
    await world.create()
    await world.client.delete(PODS, "web", "default")
    pods = world.config.root_dir / "pods"

    async def is_gone() -> bool:  # real threads, which know nothing of this clock, take files away
        await world.pass_time(1)
        left = await world.runtime.list_sandboxes(), await world.runtime.list_containers()
        return left == ([], []) and not list(pods.iterdir())

    await eventually(is_gone, within=60)


async def test_a_pod_that_is_gone_from_the_api_holds_no_port_any_more(world: World) -> None:
    """Its containers may still be ending; the scheduler has given its place away."""
    stop, begun, done = world.runtime.stop_container, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any, **named: Any) -> Any:
        begun.set()
        await done.wait()
        return await stop(*args, **named)

    world.runtime.stop_container = slowly  # type: ignore[method-assign]
    port = {"name": "c", "image": "app:1", "ports": [{"containerPort": 80, "hostPort": 8080}]}
    await world.create("old", containers=[port])
    await world.client.delete(PODS, "old", "default", grace_period_seconds=0)
    await world.pass_time(0.1)
    await asyncio.wait_for(begun.wait(), 10)
    await world.create("new", containers=[port])
    assert (await world.pod("new"))["status"]["phase"] == "Running"
    done.set()
    await world.pass_time(1)


async def test_a_sandbox_that_cannot_be_made_is_tried_again(world: World) -> None:
    world.runtime.fail("run_sandbox", CriError("UNKNOWN", "no address left"))
    await world.create()
    assert (await world.pod())["status"]["phase"] == "Pending"
    await world.pass_time(4)
    assert (await world.pod())["status"]["phase"] == "Running"


async def test_a_missing_image_backs_off_and_recovers(world: World) -> None:
    await world.create(containers=[{"name": "c", "image": "late:1"}])
    assert (await world.entry())["state"]["waiting"]["reason"] == "ErrImagePull"
    await world.pass_time(3)
    waiting = (await world.entry())["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert waiting["message"].startswith(
        'Back-off pulling image "late:1": ErrImagePull: rpc error: code = NotFound'
    )
    world.runtime.pullable.add("late:1")
    await world.pass_time(10)
    assert (await world.pod())["status"]["phase"] == "Running"


async def test_the_runtime_may_go_away_and_come_back(world: World) -> None:
    down = CriError("UNAVAILABLE", "connection refused")
    for _ in range(12):
        for method in ("status", "list_sandboxes", "list_containers"):
            world.runtime.fail(method, down)
    await world.pass_time(6)
    node = await world.client.get(NODES, "n")
    ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["message"]) == ("False", "container runtime is down")
    await world.pass_time(30)
    node = await world.client.get(NODES, "n")
    ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
    assert ready["status"] == "True"


class SilentProbes:
    """Has probes for every container and no result yet."""

    def add_pod(self, pod: Object, status: Any) -> None: ...

    def remove_pod(self, uid: str) -> None: ...

    def is_ready(self, container_id: str) -> bool:
        return self.ready

    def is_started(self, container_id: str) -> bool:
        return True

    def stop_liveness(self, uid: str) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()

    ready = True


async def test_readiness_survives_a_restart_until_the_probe_has_spoken(world: World) -> None:
    await world.stop()
    world.probes = SilentProbes()
    await world.start()
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 5, "failureThreshold": 2}
    await world.create(containers=[{"name": "c", "image": "app:1", "readinessProbe": probe}])
    assert (await world.entry())["ready"]
    await world.stop()
    world.probes.ready = False
    await world.start()
    assert (await world.entry())["ready"]
    await world.pass_time(70)
    assert not (await world.entry())["ready"]


async def test_a_shutdown_of_the_node_ends_pods_and_admits_no_more(tmp_path: Path) -> None:
    class Signals:
        def __init__(self) -> None:
            self.due = asyncio.Event()

        async def events(self) -> AsyncGenerator[bool, None]:
            await self.due.wait()
            yield True
            await asyncio.Event().wait()

        async def delay(self) -> None:
            return

        async def release(self) -> None:
            return

    world = World(tmp_path)
    world.config = replace(world.config, shutdown_seconds=20)
    signals = world.signals = Signals()
    await world.start()
    try:
        await world.create("web")
        await world.pass_time(2)
        signals.due.set()
        await world.pass_time(5)
        status = (await world.pod("web"))["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "Terminated")
        assert status["message"] == "Pod was terminated in response to imminent node shutdown."
        conditions = {one["type"]: one for one in status["conditions"]}
        assert conditions["DisruptionTarget"]["reason"] == "TerminationByKubelet"
        await world.create("late")
        await world.pass_time(2)
        late = (await world.pod("late"))["status"]
        assert (late["phase"], late["reason"]) == ("Failed", "NodeShutdown")
        assert late["message"].endswith("Pod was rejected as the node is shutting down.")
        node = await world.client.get(NODES, "n")
        ready = next(one for one in node["status"]["conditions"] if one["type"] == "Ready")
        assert (ready["status"], ready["message"]) == ("False", "node is shutting down")
    finally:
        await world.stop()


async def test_an_image_that_was_pulled_with_a_secret_is_not_for_a_pod_without_one(world: World) -> None:
    login = base64.b64encode(json.dumps({"auths": {"reg.example": {"auth": "bWU6cHc="}}}).encode()).decode()
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"},
        "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": login},
    }  # fmt: skip
    await world.client.create(SECRETS, secret, "default")
    world.runtime.pullable.add("reg.example/web:1")
    container = {"name": "c", "image": "reg.example/web:1", "imagePullPolicy": "IfNotPresent"}
    await world.create("owner", containers=[container], imagePullSecrets=[{"name": "s"}])
    await world.pass_time(2)
    assert world.count("pull_image") == 1
    await world.create("second", containers=[container], imagePullSecrets=[{"name": "s"}])
    await world.pass_time(2)
    assert world.count("pull_image") == 1
    never = {**container, "imagePullPolicy": "Never"}
    await world.create("stranger", containers=[never])
    await world.pass_time(2)
    status = (await world.pod("stranger"))["status"]["containerStatuses"][0]
    assert status["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    await world.create("asks", containers=[container])
    await world.pass_time(2)
    assert world.count("pull_image") == 2


async def test_a_static_pod_waits_until_what_it_replaces_has_ended_even_if_that_fails_at_first(
    tmp_path: Path,
) -> None:
    world, file = World(tmp_path), tmp_path / "manifests" / "web.json"
    file.parent.mkdir()
    world.config = replace(world.config, static_pod_path=file.parent)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    file.write_text(json.dumps({**pod, "spec": {"containers": [{"name": "c", "image": "app:1"}]}}))
    await world.start()
    for _ in range(200):
        if world.count("start_container") == 1:
            break
        await world.pass_time(0.1)
    before = world.runtime.container_named("c").id
    await world.stop()
    again = {"name": "c", "image": "app:1", "args": ["new"]}
    file.write_text(json.dumps({**pod, "spec": {"containers": [again]}}))
    world.runtime.fail("remove_container", CriError("UNKNOWN", "already in removing state"))
    await world.start()
    for _ in range(200):  # files are worked on in threads, outside the fake clock
        if world.count("start_container") == 2:
            break
        await world.pass_time(2)
    assert world.runtime.container_named("c").id != before
    await world.stop()
