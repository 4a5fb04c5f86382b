"""A graceful shutdown of the node: who ends when, and who tells of it."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any

import pytest

from pinnace.api.meta import Object
from pinnace.component.clock import RealClock
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.shutdown.logind import Logind, _told, is_there
from pinnace.kubelet.shutdown.manager import ShutdownManager
from pinnace.kubelet.shutdown.periods import CRITICAL_PRIORITY, Group, grace_seconds, grouped, periods
from pinnace.testing.fake_clock import FakeClock
from pinnace.testing.wait import eventually


def config(**fields: Any) -> KubeletConfig:
    return KubeletConfig("n", "192.0.2.1", Path("/k"), Path("/l"), **fields)


def pod(name: str, priority: int = 0, grace: int = 30) -> Object:
    return {
        "metadata": {"name": name, "uid": name, "namespace": "default"},
        "spec": {"priority": priority, "terminationGracePeriodSeconds": grace},
    }


def names(groups: Iterable[Group]) -> list[tuple[float, list[str]]]:
    return [(group.seconds, [one["metadata"]["name"] for one in group.pods]) for group in groups]


def test_critical_pods_end_last_in_their_own_share() -> None:
    shares = periods(config(shutdown_seconds=30, shutdown_critical_seconds=10))
    found = [pod("critical", CRITICAL_PRIORITY), pod("web"), pod("low", -5), pod("high", 1000)]
    assert names(grouped(found, shares)) == [(20, ["web", "low", "high"]), (10, ["critical"])]


def test_priorities_belong_to_the_next_lower_group() -> None:
    shares = periods(config(shutdown_by_priority=((1000, 5.0), (0, 60.0), (100_000, 3.0))))
    found = [pod("a", 999), pod("b", 1000), pod("c", 99_999), pod("d", 100_000)]
    assert names(grouped(found, shares)) == [(60, ["a"]), (5, ["b", "c"]), (3, ["d"])]


@pytest.mark.parametrize("fields", [{}, {"shutdown_seconds": 5, "shutdown_critical_seconds": 6}])
def test_without_a_period_there_is_no_graceful_shutdown(fields: dict[str, Any]) -> None:
    assert periods(config(**fields)) == ()


def test_a_pod_gets_no_more_than_its_group_and_no_more_than_its_own() -> None:
    group = Group(0, 20.0)
    assert [grace_seconds(pod("a", grace=grace), group) for grace in (5, 60)] == [5, 20]


class Signals:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[bool] = asyncio.Queue()
        self.calls: list[str] = []

    async def events(self) -> AsyncGenerator[bool, None]:
        while True:
            yield await self.queue.get()

    async def delay(self) -> None:
        self.calls.append("delay")

    async def release(self) -> None:
        self.calls.append("release")


class Pods:
    """Ends each pod after `seconds`."""

    def __init__(self, clock: FakeClock, seconds: dict[str, float]) -> None:
        self.clock, self.seconds = clock, seconds
        self.begun: dict[str, tuple[float, int]] = {}

    async def end_pod(
        self, uid: str, reason: str, message: str, *, grace_period_seconds: int, conditions: Iterable[Object]
    ) -> None:
        assert reason == "Terminated"
        assert message == "Pod was terminated in response to imminent node shutdown."
        assert [one["type"] for one in conditions] == ["DisruptionTarget"]
        self.begun[uid] = (self.clock.monotonic(), grace_period_seconds)
        await self.clock.sleep(self.seconds[uid])


async def test_groups_end_one_after_the_other_and_none_takes_longer_than_its_share() -> None:
    clock, signals, changes = FakeClock(), Signals(), []
    ending = Pods(clock, {"web": 3, "slow": 100, "critical": 1})
    found = [pod("web", grace=5), pod("slow"), pod("critical", CRITICAL_PRIORITY)]
    manager = ShutdownManager(
        signals, clock, ((0, 20.0), (CRITICAL_PRIORITY, 10.0)), ending=ending, running=lambda: found,
        changed=lambda: changes.append(manager.is_shutting_down),
    )  # fmt: skip
    task = asyncio.create_task(manager.run())
    begun = clock.monotonic()
    await signals.queue.put(True)
    await clock.advance(40)
    assert ending.begun == {"web": (begun, 5), "slow": (begun, 20), "critical": (begun + 20, 10)}
    assert signals.calls == ["delay", "release"]
    await signals.queue.put(False)
    await clock.advance(1)
    assert changes == [True, False]
    assert signals.calls == ["delay", "release", "delay"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"type":"signal","member":"PrepareForShutdown","payload":{"type":"b","data":[true]}}\n', True),
        (b'{"type":"signal","member":"PrepareForShutdown","payload":{"type":"b","data":[false]}}\n', False),
        (b'{"type":"signal","member":"PrepareForSleep","payload":{"type":"b","data":[true]}}\n', None),
        (b"Monitoring bus message stream.\n", None),
    ],
)
def test_lines_of_the_monitor_are_read(line: bytes, told: bool | None) -> None:
    assert _told(line) is told


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


async def test_logind_is_asked_to_wait_and_let_go_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With programs that behave as systemd's: the lock lasts as long as the process that holds it."""
    held = tmp_path / "held"
    script(tmp_path / "systemd-inhibit", f'echo "$@" > {held}; while read line; do :; done; rm {held}')
    signal = '{"member":"PrepareForShutdown","payload":{"data":[true]}}'
    script(
        tmp_path / "busctl",
        f"case \"$*\" in *get-property*) echo 't 5000000';; *) echo '{signal}'; exec sleep 60;; esac",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert is_there(booted=tmp_path)
    logind = Logind(RealClock(), 30.0)
    await logind.delay()
    await eventually(lambda: held.exists() and bool(held.read_text()))
    assert "--what=shutdown --mode=delay --who=kubelet" in held.read_text()
    assert "logind delays a shutdown by 5 s at most, and 30 s are configured" in caplog.text
    events = logind.events()
    assert await anext(events) is True
    await logind.release()
    await eventually(lambda: not held.exists())
    await events.aclose()


def test_without_systemd_nobody_tells(tmp_path: Path) -> None:
    assert not is_there(booted=tmp_path / "none")
