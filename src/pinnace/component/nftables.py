"""Applying transactions to the kernel with the `nft` program, and asking it what is there."""

import asyncio
import json
import shutil
from typing import Any

from pinnace.component.clock import Clock

APPLY_SECONDS = 120.0  # ten thousand Services at once take some seconds


class NftError(Exception):
    """nft refused a transaction; nothing of it was applied."""


class Nft:
    """A table is named by its family and its name, like `ip pinnace`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") or "nft"

    async def apply(self, transaction: str) -> None:
        """All of it or nothing; raises NftError with nft's own words."""
        await self._run("-f", "-", commands=transaction.encode())

    async def delete(self, *tables: str) -> None:
        """Remove these tables; fine when they are not there."""
        await self.apply("".join(f"add table {table}\ndelete table {table}\n" for table in tables))

    async def sets(self, table: str) -> list[dict[str, Any]]:
        """All sets of a table with what is in them, in one answer: several asked for by name are not found (nft 1.0.6)."""
        family, name = table.split(" ", 1)
        shown = await self._run("-j", "list", "sets", family)
        found = [entry["set"] for entry in json.loads(shown)["nftables"] if "set" in entry]
        return [each for each in found if each["table"] == name]

    async def _run(self, *arguments: str, commands: bytes | None = None) -> bytes:
        stdin = asyncio.subprocess.DEVNULL if commands is None else asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            self._program, *arguments,
            stdin=stdin, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = await self._clock.wait_for(process.communicate(commands), APPLY_SECONDS)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        if process.returncode != 0:
            raise NftError(output.decode(errors="replace").strip())
        return output
