"""`registry`: an image registry on loopback for one test."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from e2e.kubelet.node import IMAGE
from pinnace.cluster.preflight import free_port
from pinnace.kubelet.cri.private_containerd import PrivateContainerd
from pinnace.testing.wait import eventually


@pytest_asyncio.fixture
async def registry(containerd: PrivateContainerd, tmp_path: Path) -> AsyncGenerator[str, None]:
    """Debian's docker-registry on loopback, holding `web:1`."""
    if not shutil.which("docker-registry"):
        pytest.skip("needs docker-registry")
    port = free_port()
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {tmp_path}/registry\n"
        f"http:\n  addr: 127.0.0.1:{port}\n"
    )
    quiet = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(
        "docker-registry", "serve", str(config), stdout=quiet, stderr=quiet
    )
    reference = f"127.0.0.1:{port}/web:1"
    ctr = ("ctr", "-a", str(containerd.config.socket), "-n", "k8s.io", "images")

    async def run(*command: str) -> bool:
        process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        return await process.wait() == 0

    try:
        assert await run(*ctr, "tag", IMAGE, reference)

        async def pushed() -> bool:
            return await run(*ctr, "push", "--plain-http", reference)

        await eventually(pushed)
        await run(*ctr, "rm", reference)
        yield reference
    finally:
        server.terminate()
        await server.wait()
