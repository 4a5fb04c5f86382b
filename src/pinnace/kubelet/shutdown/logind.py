"""systemd-logind as the teller of shutdowns: its delay lock, and its signal PrepareForShutdown, through systemd's own programs.

Without systemd (a container, another init) nobody tells of a shutdown, and the kubelet says so once. logind waits no longer than its
`InhibitDelayMaxSec`, which the administrator sets: upstream's kubelet writes it below /etc, this one leaves /etc alone and warns.
"""

import asyncio
import contextlib
import json
import logging
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

BUS = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
MATCH = f"type='signal',interface='{BUS[2]}',member='PrepareForShutdown'"
SECONDS = 5.0


def is_there(booted: Path = Path("/run/systemd/system")) -> bool:
    return booted.is_dir() and bool(shutil.which("systemd-inhibit") and shutil.which("busctl"))


class Logind:
    """Implements `manager.ShutdownSignals`."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._lock: asyncio.subprocess.Process | None = None

    async def delay(self) -> None:
        if self._lock is not None and self._lock.returncode is None:
            return
        await self._warn_of_short_delay()
        quiet = asyncio.subprocess.DEVNULL
        self._lock = await asyncio.create_subprocess_exec(
            "systemd-inhibit", "--what=shutdown", "--mode=delay", "--who=kubelet",
            "--why=Kubelet needs time to handle node shutdown", "cat",
            stdin=asyncio.subprocess.PIPE, stdout=quiet, stderr=quiet,
        )  # fmt: skip

    async def release(self) -> None:
        """The lock is held by a process that ends with its input: also when this process is killed."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        if lock.stdin is not None:
            lock.stdin.close()
        try:
            await self._clock.wait_for(lock.wait(), SECONDS)
        except TimeoutError:
            lock.kill()

    async def _warn_of_short_delay(self) -> None:
        process = await asyncio.create_subprocess_exec(
            "busctl", "get-property", *BUS, "InhibitDelayMaxUSec", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        words = output.split()
        if len(words) == 2 and words[1].isdigit() and int(words[1]) / 1e6 < self._seconds:
            log.warning(
                "logind delays a shutdown by %.0f s at most, and %.0f s are configured for pods: raise InhibitDelayMaxSec in logind.conf",
                int(words[1]) / 1e6, self._seconds,
            )  # fmt: skip

    async def events(self) -> AsyncGenerator[bool, None]:
        monitor = await asyncio.create_subprocess_exec(
            "busctl",
            "--system",
            "--json=short",
            f"--match={MATCH}",
            "monitor",
            stdout=asyncio.subprocess.PIPE,
        )
        assert monitor.stdout is not None
        try:
            async for line in monitor.stdout:
                told = _told(line)
                if told is not None:
                    yield told
        finally:
            with contextlib.suppress(ProcessLookupError):
                monitor.terminate()
            await monitor.wait()
            await self.release()


def _told(line: bytes) -> bool | None:
    """What a line of the monitor says; None for anything else than the signal."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("member") != "PrepareForShutdown":
        return None
    data = (message.get("payload") or {}).get("data") or [None]
    return data[0] if isinstance(data[0], bool) else None
