"""What integration tests share: the real kubectl, and a namespace whose default service account is there."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess


class Finished(NamedTuple):
    code: int
    out: str
    err: str


Kubectl = Callable[..., Awaitable[Finished]]


@pytest_asyncio.fixture
async def kubectl(api_server: ApiServerInProcess, tmp_path: Path) -> Kubectl:
    """Runs `kubectl ARGUMENTS`; fails the test on another exit code than `code`."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl on this machine")
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await api_server.local_client().create(r.SERVICE_ACCOUNTS, account, "default")
    environment = {
        **os.environ,
        "KUBECONFIG": str(api_server.kubeconfig()),
        "HOME": str(tmp_path),
        "KUBECACHEDIR": str(tmp_path / "cache"),
    }

    async def run(*arguments: str, stdin: str = "", code: int = 0) -> Finished:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(stdin.encode())
        finished = Finished(process.returncode or 0, out.decode(), err.decode())
        assert finished.code == code, finished
        return finished

    return run
