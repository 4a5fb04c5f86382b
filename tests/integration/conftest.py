"""What integration tests share: bare requests, the real kubectl, and a namespace whose default service account is there."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from multidict import CIMultiDictProxy

from pinnace.api import resources as r
from pinnace.testing.api_server import MASTERS, ApiServerInProcess


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


class Answered(NamedTuple):
    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def message(self) -> str:
        """Of a Status, in short: code, reason, message."""
        return f"{self.body['code']} {self.body.get('reason', '')}: {self.body['message']}"


PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Wire:
    """Requests as an administrator, with nothing of a client library in between."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(
        self, method: str, path: str, body: Any = None, media: str = "application/json", **headers: str
    ) -> Answered:
        """`media` may be the short name of a kind of patch; underscores in names of headers stand for dashes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            sent["Content-Type"] = PATCHES.get(media, media)
        async with self._session.request(method, path, data=data, headers=sent) as answer:
            text = await answer.text()
        try:
            return Answered(answer.status, json.loads(text), answer.headers)
        except json.JSONDecodeError:
            return Answered(answer.status, text, answer.headers)

    async def events(self, path: str) -> list[dict[str, Any]]:
        """All events of a watch that ends by itself."""
        answer = await self("GET", path)
        assert answer.status == 200, answer
        lines = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return [json.loads(line) for line in lines.splitlines()]


@pytest_asyncio.fixture
async def wire(api_server: ApiServerInProcess) -> AsyncGenerator[Wire, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(api_server.url, connector=connector) as session:
        yield Wire(session)
