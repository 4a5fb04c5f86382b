"""schemathesis over our own OpenAPI documents: whatever it invents, no answer is a 5xx.

Only in `./dev test --all`, which installs it. Its "coverage" phase enumerates bodies as large as pods for hours, so the
fuzzing phase runs, for a bounded time for each group.
"""

import asyncio
import shutil
import sys
from pathlib import Path

import aiohttp
import pytest

from pinnace.testing.api_server import MASTERS, ApiServerInProcess

PROGRAM = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or shutil.which("schemathesis")
GROUPS = (
    "api/v1", "apis/apps/v1", "apis/batch/v1", "apis/rbac.authorization.k8s.io/v1", "apis/networking.k8s.io/v1",
    "apis/policy/v1", "apis/coordination.k8s.io/v1", "apis/storage.k8s.io/v1", "apis/authorization.k8s.io/v1",
    "apis/admissionregistration.k8s.io/v1", "apis/apiextensions.k8s.io/v1", "apis/autoscaling/v2",
)  # fmt: skip
SECONDS = 40

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        PROGRAM is None, reason="schemathesis is not installed: `./dev test --all` installs it"
    ),
]


@pytest.mark.parametrize("group", GROUPS)
async def test_no_request_makes_a_server_error(tmp_path: Path, group: str) -> None:
    assert PROGRAM is not None
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("fuzz,fuzz,1,system:masters\n")
    async with ApiServerInProcess(
        tmp_path / "pki", token_auth_file=tokens, min_request_timeout_seconds=1
    ) as api:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "run", f"{api.url}/openapi/v3/{group}", "--url", api.url, "-H", "Authorization: Bearer fuzz",
            "--tls-verify", "false", "-c", "not_a_server_error", "--continue-on-failure", "--phases", "fuzzing",
            "--max-time", str(SECONDS), "-n", "20", "--warnings", "off", "--suppress-health-check", "all",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
        )  # fmt: skip
        out, _ = await process.communicate()
        tls = api.tls(api.authority.client("admin", MASTERS))
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as http,
            http.get(f"{api.url}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
    counted = [line for line in lines if line.startswith("apiserver_request_total")]
    assert [line for line in counted if 'code="5' in line] == [], out.decode()[-4000:]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) > 50, out.decode()[-4000:]
