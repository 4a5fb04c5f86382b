"""`node`: a fresh node for each test, on the session's containerd."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from containerd_fixture import containerd
from e2e.kubelet.node import Node
from e2e.kubelet.registry import registry
from pinnace.kubelet.cri.private_containerd import PrivateContainerd
from pinnace.testing.api_server import ApiServerInProcess

__all__ = ["containerd", "registry"]


@pytest_asyncio.fixture
async def node(containerd: PrivateContainerd, tmp_path: Path) -> AsyncGenerator[Node, None]:
    async with ApiServerInProcess(tmp_path / "pki") as api:
        one = Node(api, containerd.endpoint, tmp_path, f"/{tmp_path.parent.name}-{tmp_path.name}")
        await one.service_account()
        await one.start()
        try:
            yield one
        finally:
            await one.close()
