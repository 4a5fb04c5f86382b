"""Changing the addresses of servers while HAProxy runs, over its admin socket: no new process, no connection touched."""

import asyncio
import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from pinnace.component.clock import Clock

START_SECONDS = 10.0
_ANSWER_SECONDS = 5.0
_GOOD = ("IP changed from", "no need to change the addr", "port changed from")
_TOGETHER = 100  # commands on one line, which HAProxy holds in a buffer of 16 KiB


def commands(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The commands that lead from one to the other; servers come in before others go out."""
    coming, going = [], []
    for name, servers in new.items():
        for number, (before, after) in enumerate(zip(old[name], servers, strict=True)):
            server = f"{name}/s{number}"
            if after and before != after:
                ip, _, port = after.rpartition(":")
                coming.append(f"set server {server} addr {ip.strip('[]')} port {port}")
                coming.append(f"set server {server} state ready")
            elif before and not after:
                going.append(f"set server {server} state maint")
    return coming + going


async def worker(socket: Path, clock: Clock, *, other_than: int = 0) -> int:
    """The pid of the process that answers, as soon as it is another one than that; raises TimeoutError."""
    end = clock.monotonic() + START_SECONDS
    while clock.monotonic() < end:
        with contextlib.suppress(OSError, TimeoutError):
            if (pid := _pid(await clock.wait_for(_ask(socket, "show info"), _ANSWER_SECONDS))) not in (
                0,
                other_than,
            ):
                return pid
        await clock.sleep(0.02)
    raise TimeoutError(f"haproxy has not taken over within {START_SECONDS:.0f} s")


async def send(socket: Path, wanted: list[str], clock: Clock, pid: int) -> str:
    """Have the process `pid` carry them out; answers what HAProxy said against one, "" when all is well.

    An old process that is still about after a reload may take the connection, so each answer says whose it is.
    Raises OSError, TimeoutError.
    """
    for start in range(0, len(wanted), _TOGETHER):
        line = ";".join(["show info", *wanted[start : start + _TOGETHER]])
        end = clock.monotonic() + START_SECONDS
        while _pid(answer := await clock.wait_for(_ask(socket, line), _ANSWER_SECONDS)) != pid:
            if clock.monotonic() > end:
                raise TimeoutError(f"haproxy's process {pid} does not answer")
            await clock.sleep(0.02)
        for said in answer.partition("\n\n")[2].splitlines():
            if said.strip() and not said.startswith(_GOOD):
                return said.strip()
    return ""


def _pid(answer: str) -> int:
    found = re.search(r"^Pid: (\d+)", answer, re.MULTILINE)
    return int(found[1]) if found else 0


async def _ask(socket: Path, line: str) -> str:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(line.encode() + b"\n")
        await writer.drain()
        return (await reader.read()).decode(errors="replace")
    finally:
        writer.close()
