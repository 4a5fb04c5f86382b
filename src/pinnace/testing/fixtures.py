"""Fixtures: `api_server` (real, in process, memory store), `local_client`, `rest_client`, `fake_clock`, `simulated_cluster`."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pinnace.testing.fake_clock import FakeClock

if TYPE_CHECKING:  # the server is loaded only by tests that ask for it
    from pinnace.apiserver.local_client import LocalClient
    from pinnace.client.rest import RestClient
    from pinnace.testing.api_server import ApiServerInProcess
    from pinnace.testing.simulated_cluster import SimulatedCluster


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def api_server(tmp_path: Path) -> "AsyncGenerator[ApiServerInProcess, None]":
    """A server of this test's own on a free port of 127.0.0.1."""
    from pinnace.testing.api_server import ApiServerInProcess

    async with ApiServerInProcess(tmp_path / "pki") as api:
        yield api


@pytest_asyncio.fixture
async def local_client(api_server: "ApiServerInProcess") -> "LocalClient":
    return api_server.local_client()


@pytest_asyncio.fixture
async def rest_client(api_server: "ApiServerInProcess") -> "RestClient":
    return api_server.rest_client()


@pytest_asyncio.fixture
async def simulated_cluster(tmp_path: Path) -> "AsyncGenerator[SimulatedCluster, None]":
    """A whole cluster with two simulated nodes, on a virtual clock; see `SimulatedCluster`."""
    from pinnace.testing.simulated_cluster import SimulatedCluster

    async with SimulatedCluster(tmp_path / "pki") as cluster:
        yield cluster
