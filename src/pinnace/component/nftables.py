"""Applying a transaction to the kernel with the `nft` program."""

import asyncio
import shutil

from pinnace.component.clock import Clock

APPLY_SECONDS = 30.0


class NftError(Exception):
    """nft refused a transaction; nothing of it was applied."""


class Nft:
    """`table` is a family and a name, like `ip pinnace`."""

    def __init__(self, clock: Clock, table: str) -> None:
        self._clock = clock
        self.table = table
        self._program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/usr/local/sbin") or "nft"

    async def apply(self, transaction: str) -> None:
        """All of it or nothing; raises NftError with nft's own words."""
        process = await asyncio.create_subprocess_exec(
            self._program, "-f", "-",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await self._clock.wait_for(process.communicate(transaction.encode()), APPLY_SECONDS)
        if process.returncode != 0:
            raise NftError(output.decode(errors="replace").strip())

    async def delete(self) -> None:
        """Remove the table; fine when it is not there."""
        await self.apply(f"add table {self.table}\ndelete table {self.table}\n")
