"""The kernel module that the CNI plugin `bandwidth` needs for what a pod sends (`kubernetes.io/egress-bandwidth`).

Loaded by the kernel itself when the plugin makes its first link, it leaves two links of its own, `ifb0` and `ifb1`, on the
machine for good; asked for like this it leaves none.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

EGRESS = "kubernetes.io/egress-bandwidth"
MODULES = Path("/sys/module")
LOAD = ("modprobe", "ifb", "numifbs=0")


async def prepare(annotations: Mapping[str, str], modules: Path = MODULES) -> None:
    """Before the pod's network is made. Where there is no such program the plugin tells what is missing."""
    if EGRESS not in annotations or (modules / "ifb").exists():
        return
    with contextlib.suppress(OSError):
        process = await asyncio.create_subprocess_exec(
            *LOAD, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )  # fmt: skip
        await process.wait()
