"""Faults of a node with everything in it: each is told as upstream tells it, and heals."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import load_demo_image
from e2e.held_runtime import CLASS, HeldRuntime, held, held_runtime
from e2e.kubelet.faulty_registry import FaultyRegistry
from e2e_support import Space, TestCluster, pod, until
from pinnace.component.clock import RealClock
from pinnace.kubelet import labels
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.runtime import ContainerState


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldRuntime]:
    with held_runtime(tmp_path_factory.mktemp("runtime")) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(runtime: HeldRuntime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """A cluster that may be hurt, in place of the one that all tests share."""
    flags = ("--port=0", "--kubelet-port=0", "--disable-ingress", "--max-container-restart-period=1s")
    made = TestCluster(f"f{secrets.token_hex(2)}", tmp_path_factory.mktemp("faults"), flags)
    try:
        made.up()
        load_demo_image(made)
        made.apply(CLASS)
        yield made
    finally:
        made.down("--purge")


def events(space: Space, name: str) -> list[tuple[str, str, str]]:
    found = space.json("get", "events", "--field-selector", f"involvedObject.name={name}")["items"]
    return [(one["type"], one["reason"], one["message"]) for one in found]


def has_event(space: Space, name: str, kind: str, reason: str, pattern: str) -> bool:
    return any(
        one[:2] == (kind, reason) and re.fullmatch(pattern, one[2], re.DOTALL) for one in events(space, name)
    )


def main_status(space: Space, name: str) -> dict[str, Any]:
    (status,) = space.json("get", "pod", name)["status"]["containerStatuses"]
    return status


def identity(space: Space, name: str) -> tuple[str, int]:
    status = main_status(space, name)
    return status["containerID"], status["restartCount"]


def containerd_pid(cluster: TestCluster) -> int:
    return int((cluster.data / "containerd" / "containerd.pid").read_text())


def what_runs(cluster: TestCluster, space: Space) -> Counter[str]:
    """Running containers and ready sandboxes of the runtime, counted by `POD` and `POD/CONTAINER`."""

    async def ask() -> Counter[str]:
        client = CriClient(str(cluster.data / "containerd" / "state" / "containerd.sock"), RealClock())
        chosen = {labels.POD_NAMESPACE: space.name}
        try:
            boxes = await client.list_sandboxes(labels=chosen)
            containers = await client.list_containers(labels=chosen)
        finally:
            await client.close()
        return Counter(
            [box.name for box in boxes if box.is_ready]
            + [f"{one.labels[labels.POD_NAME]}/{one.name}" for one in containers if one.state == ContainerState.RUNNING]
        )  # fmt: skip

    return asyncio.run(ask())


def shim_of(sandbox: str) -> int:
    """The process that keeps the containers of this sandbox."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if sandbox.encode() in words and b"containerd-shim" in words[0]:
            return int(path.parent.name)
    raise AssertionError(f"no shim of {sandbox}")


def test_containers_live_on_while_containerd_is_killed_and_started_again(space: Space) -> None:
    cluster = space.cluster
    space.apply(pod("old"), pod("leaving", terminationGracePeriodSeconds=1))
    space.until_ready("old")
    space.until_ready("leaving")
    before, killed = identity(space, "old"), containerd_pid(cluster)
    os.kill(killed, signal.SIGKILL)
    space.kubectl("delete", "pod", "leaving", "--wait=false")
    space.apply(pod("new"))
    space.until_ready("new")
    assert containerd_pid(cluster) != killed
    until(lambda: space.kubectl("get", "pod", "leaving", check=False).returncode == 1)
    assert identity(space, "old") == before
    until(lambda: cluster.out("get", "nodes", "--no-headers").split()[1] == "Ready")
    until(lambda: what_runs(cluster, space) == Counter(["old", "old/main", "new", "new/main"]))
    assert space.out("exec", "old", "--", "echo", "alive").strip() == "alive"


def test_a_missing_runtime_program_is_told_and_heals(space: Space, runtime: HeldRuntime) -> None:
    space.apply(held(pod("there", terminationGracePeriodSeconds=1)))
    space.until_ready("there")
    before = identity(space, "there")
    runtime.program.unlink()
    try:
        space.apply(held(pod("late")))
        text = (
            r"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create containerd task: "
            r'.*exec: "crun": executable file not found in \$PATH.*'
        )
        until(lambda: has_event(space, "late", "Warning", "FailedCreatePodSandBox", text))
        assert space.status_column("late") == "ContainerCreating"
        assert space.status_column("there") == "Running"
    finally:
        runtime.install()
    space.until_ready("late")
    assert identity(space, "there") == before
    space.kubectl("delete", "pod", "there")
    until(lambda: what_runs(space.cluster, space) == Counter(["late", "late/main"]))


def test_a_container_whose_shim_is_killed_is_replaced(space: Space) -> None:
    """Without its shim nobody can tell how a container ended: it counts as killed, and none of its processes stays."""
    space.apply(pod("orphan", "sleep 4321", terminationGracePeriodSeconds=1))
    space.until_ready("orphan")
    old = main_status(space, "orphan")["containerID"].rpartition("/")[2]
    processes = processes_of(old)
    assert processes
    os.kill(shim_of(sandbox_of(space, "orphan")), signal.SIGKILL)
    until(lambda: main_status(space, "orphan")["restartCount"] == 1 and main_status(space, "orphan")["ready"])
    ended = main_status(space, "orphan")["lastState"]["terminated"]
    assert ended["exitCode"] in (137, 255), ended
    until(lambda: not [one for one in processes if Path(f"/proc/{one}").exists()])
    until(lambda: what_runs(space.cluster, space) == Counter(["orphan", "orphan/main"]))


def sandbox_of(space: Space, name: str) -> str:
    async def ask() -> str:
        client = CriClient(str(space.cluster.data / "containerd" / "state" / "containerd.sock"), RealClock())
        try:
            (box,) = await client.list_sandboxes(
                labels={labels.POD_NAMESPACE: space.name, labels.POD_NAME: name}
            )
        finally:
            await client.close()
        return box.id

    return asyncio.run(ask())


def processes_of(container: str) -> list[str]:
    """Those in the container's cgroup."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if container in path.read_text():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_probes_that_hang_fail_after_their_timeout(space: Space) -> None:
    """One that hangs in the container, one whose server accepts and never answers; neither delays other pods' probes."""
    often = {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}
    command = {"livenessProbe": {"exec": {"command": ["sleep", "60"]}, **often}}
    silent = {"readinessProbe": {"httpGet": {"port": 9000}, **often}}
    fine = {"readinessProbe": {"exec": {"command": ["true"]}, **often}}
    space.apply(
        pod("hung", container=command, terminationGracePeriodSeconds=1),
        pod("silent", "nc -ll -p 9000 -e sleep 60 & sleep 3600", container=silent),
        pod("fine", container=fine),
    )
    space.until_ready("fine")
    text = r'Liveness probe failed: command timed out: "sleep 60" timed out after 1s'
    until(lambda: has_event(space, "hung", "Warning", "Unhealthy", text))
    killing = "Container main failed liveness probe, will be restarted"
    until(lambda: has_event(space, "hung", "Normal", "Killing", killing))
    until(lambda: main_status(space, "hung")["restartCount"] >= 1)
    text = r'Readiness probe failed: Get "http://[\d.]+:9000/": context deadline exceeded \(Client.Timeout exceeded while awaiting headers\)'
    until(lambda: has_event(space, "silent", "Warning", "Unhealthy", text))
    assert main_status(space, "silent")["ready"] is False


def test_hooks_that_hang_do_not_keep_a_pod_from_ending(space: Space) -> None:
    after = {"lifecycle": {"postStart": {"exec": {"command": ["sleep", "600"]}}}}
    before = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "600"]}}}}
    space.apply(
        pod("greeting", container=after, terminationGracePeriodSeconds=1),
        pod("parting", container=before, terminationGracePeriodSeconds=1),
    )
    space.until_ready("parting")
    until(lambda: has_event(space, "greeting", "Normal", "Started", "Container started"))
    assert space.status_column("greeting") == "ContainerCreating"  # it runs, and counts when the hook is done
    space.kubectl("delete", "pod", "greeting", "parting", "--timeout=60s")
    until(lambda: has_event(space, "parting", "Normal", "Killing", "Stopping container main"))
    until(lambda: what_runs(space.cluster, space) == Counter())


GATE = {"name": "gate", "mountPath": "/gate"}


def gated(name: str, gate: Path, hook: str, **spec: Any) -> dict[str, Any]:
    """A pod whose hook says that it runs and waits for the test."""
    script = f"touch /gate/{name}; while [ ! -e /gate/open ]; do sleep 0.1; done"
    lifecycle = {hook: {"exec": {"command": ["sh", "-c", script]}}}
    volumes = [{"name": "gate", "hostPath": {"path": str(gate)}}]
    return pod(name, container={"lifecycle": lifecycle, "volumeMounts": [GATE]}, volumes=volumes, **spec)


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    made = FaultyRegistry()
    yield made
    made.close()


def test_kill_9_in_each_phase_of_a_pod_s_life_doubles_nothing(
    space: Space, runtime: HeldRuntime, registry: FaultyRegistry, tmp_path: Path
) -> None:
    """Seven pods, each held in a phase of its own, when the server with its kubelet is killed."""
    cluster, pulled = space.cluster, registry.image("pulled", "hang")
    runtime.hold("boxing", "sandbox")
    runtime.hold("starting", "container")
    configured = {"envFrom": [{"configMapRef": {"name": "late"}}]}
    space.apply(
        held(pod("boxing")),
        pod("pulling", container={"image": pulled, "imagePullPolicy": "Always"}),
        held(pod("starting")),
        gated("greeting", tmp_path, "postStart"),
        gated("parting", tmp_path, "preStop", terminationGracePeriodSeconds=60),
        pod("running"),
        pod("configured", container=configured),
    )
    space.until_ready("running")
    space.until_ready("parting")
    space.kubectl("delete", "pod", "parting", "--wait=false")
    until(lambda: runtime.has_reached("boxing", "sandbox") and runtime.has_reached("starting", "container"))
    until(lambda: any("pulled" in path for path in registry.asked))
    until(lambda: (tmp_path / "greeting").exists() and (tmp_path / "parting").exists())
    until(lambda: space.status_column("configured") == "CreateContainerConfigError")
    before = identity(space, "running"), identity(space, "parting")
    os.kill(cluster.pid(), signal.SIGKILL)
    cluster.up()
    assert (identity(space, "running"), identity(space, "parting")) == before
    assert space.status_column("parting") == "Terminating"
    runtime.release()
    registry.heal()
    (tmp_path / "open").touch()
    space.kubectl("create", "configmap", "late", "--from-literal=A=b")
    names = ("boxing", "pulling", "starting", "greeting", "running", "configured")
    for name in names:
        space.until_ready(name)
    until(lambda: space.kubectl("get", "pod", "parting", check=False).returncode == 1)
    assert identity(space, "running") == before[0]
    restarts = {name: identity(space, name)[1] for name in names}
    assert {name: count for name, count in restarts.items() if count and name != "starting"} == {}
    assert restarts["starting"] <= 1  # the runtime gave up the start when its client was gone
    until(lambda: what_runs(cluster, space) == Counter([*names, *(f"{name}/main" for name in names)]))


@pytest.mark.full  # two more starts; each kind of crash alone is in the tests above
def test_a_crash_of_all_managers_hurts_no_container_and_one_of_containers_too_brings_them_back(
    space: Space,
) -> None:
    cluster = space.cluster
    space.apply(pod("steady"), with_init("prepared"))
    space.until_ready("steady")
    space.until_ready("prepared")
    before = identity(space, "steady"), identity(space, "prepared")
    kill_all(cluster.pid(), containerd_pid(cluster))
    cluster.up()
    until(lambda: cluster.out("get", "nodes", "--no-headers").split()[1] == "Ready")
    assert (identity(space, "steady"), identity(space, "prepared")) == before
    assert space.out("exec", "steady", "--", "echo", "alive").strip() == "alive"

    shims = [shim_of(sandbox_of(space, name)) for name in ("steady", "prepared")]
    inside = [int(one) for name in ("steady", "prepared") for one in processes_of(uid_of(space, name))]
    assert len(inside) >= 4  # pause and main of both
    kill_all(cluster.pid(), containerd_pid(cluster), *shims, *inside)
    cluster.up()
    for name in ("steady", "prepared"):
        until(lambda name=name: main_status(space, name)["restartCount"] == 1)
        space.until_ready(name)
        changed = "Pod sandbox changed, it will be killed and re-created."
        until(partial(has_event, space, name, "Normal", "SandboxChanged", changed))
    until(
        lambda: what_runs(cluster, space) == Counter(["steady", "steady/main", "prepared", "prepared/main"])
    )


def with_init(name: str) -> dict[str, Any]:
    first = {"name": "first", "image": "pinnace.local/demo:1", "command": ["true"]}
    return pod(name, initContainers=[first])


def uid_of(space: Space, name: str) -> str:
    return space.json("get", "pod", name)["metadata"]["uid"]


def kill_all(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
