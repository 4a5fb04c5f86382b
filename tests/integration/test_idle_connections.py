"""Thousands of clients that are connected and say nothing: what they cost, and that others are still answered."""

import asyncio
import resource
import sys
from pathlib import Path

import pytest
import uvloop

from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess

COUNT = 2_000
MOST_KIB_EACH = 64
CLIENTS = """
import resource, socket, ssl, sys
port, ca, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
context, opened = ssl.create_default_context(cafile=ca), []
for _ in range(count):
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), server_hostname="127.0.0.1")
    connection.sendall(b"GET /version HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    opened.append(connection)
print("open", flush=True)
sys.stdin.read()
"""


def own_kib() -> int:
    """Memory of this process that is backed by no file."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


async def hold(directory: Path) -> tuple[float, int]:
    """KiB for each of the connections, and how many namespaces a client sees while they are open."""
    async with ApiServerInProcess(directory) as api:
        client = api.rest_client()
        await client.list(r.NAMESPACES)
        before = own_kib()
        others = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENTS, str(api.server.port), str(api.authority.ca), str(COUNT),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert others.stdin is not None
        assert others.stdout is not None
        try:
            assert await asyncio.wait_for(others.stdout.readline(), 120) == b"open\n"
            each = (own_kib() - before) / COUNT
            seen = len((await asyncio.wait_for(client.list(r.NAMESPACES), 10))["items"])
        finally:
            others.stdin.close()
            await others.wait()
    return each, seen


@pytest.mark.full
@pytest.mark.timeout(180)
def test_idle_connections_cost_little_and_others_are_answered(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > COUNT + 100, "this test needs more open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kib_each, namespaces = uvloop.run(hold(tmp_path))
    assert kib_each < MOST_KIB_EACH
    assert namespaces == 4
