"""What the conformance tests share: an HTTPS session of an administrator, as any client has, and a whole simulated cluster."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio

from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.simulated_cluster import SimulatedCluster


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield session


@pytest.fixture
def cluster(simulated_cluster: SimulatedCluster) -> SimulatedCluster:
    """Every controller, the scheduler and two simulated nodes, on a virtual clock."""
    return simulated_cluster
