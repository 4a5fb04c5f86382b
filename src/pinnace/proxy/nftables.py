"""Applying transactions to the kernel with the `nft` program, and reading back which clients belong to which endpoint."""

import asyncio
import json
import shutil
from collections import deque
from collections.abc import Iterable
from typing import Any

from pinnace.component.clock import Clock

APPLY_SECONDS = 120.0  # ten thousand Services at once take some seconds


class NftError(Exception):
    """nft refused a transaction; nothing of it was applied."""


class Nft:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") or "nft"
        self.pids: deque[int] = deque(maxlen=32)  # of the latest runs: the kernel names who changed its rules

    async def apply(self, transaction: str) -> None:
        """All of it or nothing; raises NftError with nft's own words."""
        await self._run("-f", "-", commands=transaction.encode())

    async def _run(self, *arguments: str, commands: bytes | None = None) -> bytes:
        stdin = asyncio.subprocess.DEVNULL if commands is None else asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            self._program, *arguments,
            stdin=stdin, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self.pids.append(process.pid)
        try:
            output, _ = await self._clock.wait_for(process.communicate(commands), APPLY_SECONDS)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        if process.returncode != 0:
            raise NftError(output.decode(errors="replace").strip())
        return output

    async def delete(self, tables: Iterable[str]) -> None:
        """Remove these tables (each a family and a name); fine when they are not there."""
        await self.apply("".join(f"add table {table}\ndelete table {table}\n" for table in tables))

    async def clients(self, table: str, wanted: set[str]) -> list[str]:
        """Commands that put the clients back into these sets of a table that is built anew, with the time they have left.

        All sets in one answer: several asked for by name are not found (nft 1.0.6).
        """
        family, name = table.split(" ", 1)
        shown = await self._run("-j", "list", "sets", family)
        found = [entry["set"] for entry in json.loads(shown)["nftables"] if "set" in entry]
        own = [each for each in found if each["table"] == name and each["name"] in wanted]
        return [line for each in own for line in _add_clients(table, each)]


def _add_clients(table: str, found: dict[str, Any]) -> Iterable[str]:
    for element in found.get("elem") or ():
        detail = element.get("elem") or {} if isinstance(element, dict) else {}
        if detail.get("expires", 0) > 0:
            lifetime = f"timeout {detail['timeout']}s " if "timeout" in detail else ""
            yield f"add element {table} {found['name']} {{ {detail['val']} {lifetime}expires {detail['expires']}s }}\n"
