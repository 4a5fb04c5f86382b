"""`Server`: one control plane as a process of its own, on an etcd that others may share; can be killed."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

from e2e_support import SOURCE
from pinnace.apimachinery import errors
from pinnace.client.rest import RestClient
from pinnace.testing.wait import eventually

RETRIED = (
    errors.ServiceUnavailable,
    errors.Timeout,
    errors.InternalError,
    ConnectionError,
    TimeoutError,
    OSError,
)


class Server:
    """A control plane in a process of its own."""

    def __init__(self, directory: Path, name: str, etcd_urls: str, *flags: str) -> None:
        self.data = directory / name
        self._command = [
            sys.executable, "-m", "pinnace", "server", "--name", name, "--data-dir", str(self.data), "--kubeconfig",
            str(directory / f"{name}.kubeconfig"), "--port", "0", "--bind-address", "127.0.0.1", "--nodes", "none",
            "--store", "etcd", "--etcd-servers", etcd_urls, *flags,
        ]  # fmt: skip
        self._log = directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.client: RestClient | None = None

    async def start(self) -> None:
        (self.data / "run" / "server.json").unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(SOURCE)}
            )
        record = self.data / "run" / "server.json"
        await eventually(record.exists, within=60)
        await eventually(self._connect, within=60)

    async def _connect(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        record = json.loads((self.data / "run" / "server.json").read_text())
        tls = ssl.create_default_context(cafile=str(self.data / "ca.crt"))
        client = RestClient(record["server"], tls=tls, token=(self.data / "token").read_text().strip())
        try:
            await client.raw("GET", "/readyz")
        except RETRIED:
            await client.close()
            return False
        if self.client is not None:
            await self.client.close()
        self.client = client
        return True

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, 15)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.client is not None:
            await self.client.close()
