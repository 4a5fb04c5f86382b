import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from pinnace.apimachinery.times import format_time
from pinnace.client.events import EventRecorder
from pinnace.kubelet.cri.runtime import CriError, ExecResult
from pinnace.kubelet.probes.manager import Probes
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock


class FakeHost:
    """The core as probes see it: one pod with one container, whose commands answer with `exit_code`."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.exit_code: int | CriError = 0
        self.ran = 0
        self.restarts: list[tuple[str, str, str]] = []
        self.changes = 0
        self.graces: list[int | None] = []
        self.status: dict[str, Any] = {"phase": "Pending"}
        self.runtime = self

    async def exec_sync(self, container_id: str, command: list[str], timeout: float) -> ExecResult:
        self.ran += 1
        if isinstance(self.exit_code, CriError):
            raise self.exit_code
        return ExecResult(b"no good", b"", self.exit_code)

    def start(self, container_id: str) -> None:
        running = {"running": {"startedAt": format_time(self.clock.now())}}
        entry = {"name": "c", "containerID": f"containerd://{container_id}", "state": running}
        self.status = {"phase": "Running", "podIP": "10.42.0.5", "containerStatuses": [entry]}

    def containers(self, uid: str) -> list[SimpleNamespace]:
        found = self.status.get("containerStatuses") or ()
        return [SimpleNamespace(id=entry["containerID"][13:], name=entry["name"]) for entry in found]

    def restart_container(
        self,
        uid: str,
        container_id: str,
        reason: str,
        message: str,
        *,
        grace_period_seconds: int | None = None,
    ) -> None:
        self.restarts.append((uid, container_id, message))
        self.graces.append(grace_period_seconds)

    def probe_changed(self, uid: str) -> None:
        self.changes += 1


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.host = FakeHost(self.clock)
        self.client = FakeClient()
        self.events = EventRecorder(self.client, self.clock, "kubelet", "node-1")
        self.probes = Probes(self.host, self.clock, self.events)  # type: ignore[arg-type]

    def add(self, **probes: dict[str, Any]) -> None:
        for probe in probes.values():
            probe.setdefault("exec", {"command": ["check", "it"]})
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default", "uid": "u"},
            "spec": {"containers": [{"name": "c", **probes}], "restartPolicy": "Always"},
        }  # fmt: skip
        self.probes.add_pod(pod, lambda: self.host.status)

    async def messages(self) -> list[str]:
        await self.events.flush()
        return [body["message"] for verb, _, _, body in self.client.calls if verb == "create"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    tasks = [asyncio.create_task(world.probes.run()), asyncio.create_task(world.events.run())]
    yield world
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_container_without_probes_has_no_result(world: World) -> None:
    world.add()
    world.host.start("one")
    assert world.probes.is_ready("one") is None
    assert world.probes.is_started("one") is None


async def test_readiness_is_false_until_the_probe_succeeded_and_the_core_is_told(world: World) -> None:
    world.add(readinessProbe={"periodSeconds": 10})
    await world.clock.advance(3)
    world.host.start("one")
    assert (
        world.probes.is_ready("containerd://one") is False
    )  # also wakes the worker: no waiting for the period
    await world.clock.settle()
    assert world.probes.is_ready("containerd://one") is True
    assert world.host.changes == 1


async def test_liveness_restarts_after_the_threshold_and_leaves_the_container_alone_then(
    world: World,
) -> None:
    world.add(livenessProbe={"periodSeconds": 5, "failureThreshold": 3})
    world.host.start("one")
    world.host.exit_code = 1
    await world.clock.advance(9)
    assert world.host.restarts == []
    await world.clock.advance(6)
    assert world.host.restarts == [("u", "one", "Container c failed liveness probe, will be restarted")]
    ran = world.host.ran
    await world.clock.advance(60)
    assert world.host.ran == ran
    world.host.start("two")
    await world.clock.advance(20)
    assert world.host.restarts[1:] == [("u", "two", "Container c failed liveness probe, will be restarted")]
    assert (await world.messages())[0] == "Liveness probe failed: no good"


async def test_a_failing_readiness_turns_the_container_unready_but_never_restarts(world: World) -> None:
    world.add(readinessProbe={"periodSeconds": 1, "failureThreshold": 2})
    world.host.start("one")
    await world.clock.advance(1)
    world.host.exit_code = 1
    await world.clock.advance(1)
    assert world.probes.is_ready("one") is True
    await world.clock.advance(1)
    assert world.probes.is_ready("one") is False
    assert world.host.restarts == []


async def test_liveness_and_readiness_wait_for_startup(world: World) -> None:
    world.add(
        startupProbe={"periodSeconds": 2, "failureThreshold": 30},
        livenessProbe={"periodSeconds": 1, "failureThreshold": 1},
        readinessProbe={"periodSeconds": 50},
    )
    world.host.exit_code = 1
    world.host.start("one")
    await world.clock.advance(10)
    assert world.host.restarts == []
    assert world.probes.is_started("one") is False
    world.host.exit_code = 0
    await world.clock.advance(2)
    assert world.probes.is_started("one") is True
    assert world.probes.is_ready("one") is True  # asked at once, not after fifty seconds


async def test_startup_that_never_succeeds_restarts(world: World) -> None:
    world.add(startupProbe={"periodSeconds": 2, "failureThreshold": 3, "terminationGracePeriodSeconds": 4})
    world.host.exit_code = 7
    world.host.start("one")
    await world.clock.advance(10)
    assert world.host.restarts == [("u", "one", "Container c failed startup probe, will be restarted")]
    assert world.host.graces == [4]


async def test_the_first_probe_comes_after_the_initial_delay(world: World) -> None:
    world.add(livenessProbe={"initialDelaySeconds": 15, "periodSeconds": 10})
    world.host.start("one")
    await world.clock.advance(14)
    assert world.host.ran == 0
    await world.clock.advance(2)
    assert world.host.ran == 1


async def test_a_probe_that_cannot_be_run_does_not_count(world: World) -> None:
    world.add(livenessProbe={"periodSeconds": 1, "failureThreshold": 1})
    world.host.exit_code = CriError("UNAVAILABLE", "connection lost")
    world.host.start("one")
    await world.clock.advance(5)
    assert world.host.restarts == []
    expected = "rpc error: code = Unavailable desc = connection lost"
    assert (await world.messages())[0] == f"Liveness probe errored and resulted in unknown state: {expected}"


async def test_a_command_that_outlives_its_timeout_has_failed(world: World) -> None:
    world.add(livenessProbe={"failureThreshold": 1})
    world.host.exit_code = CriError("DEADLINE_EXCEEDED", "context deadline exceeded")
    world.host.start("one")
    await world.clock.advance(1)
    assert len(world.host.restarts) == 1
    assert await world.messages() == [
        'Liveness probe failed: command timed out: "check it" timed out after 1s'
    ]


async def test_an_ending_pod_is_not_restarted_but_still_probed_for_readiness(world: World) -> None:
    world.add(livenessProbe={"periodSeconds": 1}, readinessProbe={"periodSeconds": 1, "failureThreshold": 1})
    world.host.start("one")
    await world.clock.advance(2)
    world.probes.stop_liveness("u")
    world.host.exit_code = 1
    await world.clock.advance(10)
    assert world.host.restarts == []
    assert world.probes.is_ready("one") is False


async def test_a_removed_pod_is_forgotten(world: World) -> None:
    world.add(readinessProbe={"periodSeconds": 1})
    world.host.start("one")
    await world.clock.advance(2)
    world.probes.remove_pod("u")
    ran = world.host.ran
    await world.clock.advance(10)
    assert world.host.ran == ran
    assert world.probes.is_ready("one") is None


async def test_a_port_name_that_does_not_exist_is_an_error_of_the_probe(world: World) -> None:
    world.add(readinessProbe={"exec": {}, "httpGet": {"port": "web"}})
    world.host.start("one")
    await world.clock.advance(1)
    expected = "couldn't find port: web in container: c"
    assert (await world.messages())[0] == f"Readiness probe errored and resulted in unknown state: {expected}"


async def test_a_clock_that_is_set_back_delays_no_probe(world: World) -> None:
    world.add(readinessProbe={"initialDelaySeconds": 20, "periodSeconds": 10})
    world.host.start("one")
    await world.clock.advance(5)
    world.clock.set_forward(-3600)
    await world.clock.advance(20)
    assert world.host.ran == 1
    await world.clock.advance(10)
    assert world.host.ran == 2
