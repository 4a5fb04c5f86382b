"""Applying transactions to the kernel with the `nft` program, and reading back which clients belong to which endpoint."""

import asyncio
import json
import shutil
from collections import deque
from collections.abc import Iterable

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
        await self._run(transaction, "-f", "-")

    async def _run(self, commands: str, *arguments: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            self._program, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self.pids.append(process.pid)
        try:
            output, _ = await self._clock.wait_for(process.communicate(commands.encode()), APPLY_SECONDS)
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
        """Commands that put the clients back into these sets of a table that is built anew, with the time they have left."""
        family, name = table.split(" ", 1)
        known = {
            entry["set"]["name"]
            for entry in json.loads(await self._run("", "-j", "-t", "list", "sets", family))["nftables"]
            if entry.get("set", {}).get("table") == name
        }
        queries = "".join(f"list set {table} {each}\n" for each in sorted(wanted & known))
        if not queries:
            return []
        lines: list[str] = []
        for line in (await self._run(queries, "-j", "-f", "-")).splitlines():
            for entry in json.loads(line)["nftables"]:
                lines += _add_clients(table, entry.get("set") or {})
        return lines


def _add_clients(table: str, found: dict[str, object]) -> Iterable[str]:
    elements = found.get("elem") or ()
    assert isinstance(elements, list | tuple)
    for element in elements:
        if isinstance(element, dict) and "expires" in (detail := element["elem"]):
            lifetime = f"timeout {detail['timeout']}s " if "timeout" in detail else ""
            yield f"add element {table} {found['name']} {{ {detail['val']} {lifetime}expires {detail['expires']}s }}\n"
