"""The HAProxy process: a master that outlives this server, reloaded without dropping a connection.

The master's pid is in `haproxy.pid`; a server that starts again adopts the running one.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterable
from pathlib import Path

from pinnace.component.clock import Clock
from pinnace.ingress.certificates import LIST_FILE, listed
from pinnace.ingress.haproxy_config import Listen
from pinnace.ingress.routes import Certificate

START_SECONDS = 5.0


class HaproxyError(Exception):
    """HAProxy is missing or refused its configuration; the message has its own words."""


class Haproxy:
    def __init__(self, clock: Clock, listen: Listen) -> None:
        self._clock = clock
        self.listen = listen
        self._directory = listen.directory
        self._program = (
            shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or ""
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_installed(self) -> bool:
        return bool(self._program)

    @property
    def config_file(self) -> Path:
        return self._directory / "haproxy.cfg"

    @property
    def pid(self) -> int:
        """The running master's pid, 0 when there is none."""
        try:
            pid = int((self._directory / "haproxy.pid").read_text().split()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return 0
        return pid if str(self.config_file).encode() in command else 0

    async def apply(self, config: str, certificates: Iterable[Certificate]) -> bool:
        """Check and load a configuration; False when it is the one that runs already. Raises HaproxyError."""
        if not self._program:
            raise HaproxyError("haproxy is not installed: run `apt-get install -y haproxy`")
        changed = self._write_certificates(tuple(certificates))
        old = self.config_file.read_text() if self.config_file.exists() else ""
        if config == old and not changed and self.pid:
            return False
        candidate = self._directory / "haproxy.cfg.new"
        candidate.write_text(config)
        await self._check(candidate)
        candidate.replace(self.config_file)
        if self.pid:
            os.kill(self.pid, signal.SIGUSR2)
        else:
            await self._start()
        return True

    def _write_certificates(self, certificates: tuple[Certificate, ...]) -> bool:
        directory = self._directory / "certs"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        wanted, changed = {one.file: one.pem for one in certificates}, False
        wanted[LIST_FILE] = listed(str(directory), {one.file: one.hosts for one in certificates})
        for path in directory.iterdir():
            if path.name not in wanted:
                path.unlink()
                changed = True
        for name, pem in wanted.items():
            path = directory / name
            if not path.exists() or path.read_bytes() != pem:
                path.touch(mode=0o600)
                path.write_bytes(pem)
                changed = True
        return changed

    async def _check(self, file: Path) -> None:
        process = await asyncio.create_subprocess_exec(
            self._program, "-c", "-f", str(file),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await self._clock.wait_for(process.communicate(), 30.0)
        if process.returncode != 0:
            raise HaproxyError(
                f"haproxy refused its configuration: {output.decode(errors='replace').strip()}"
            )

    async def _start(self) -> None:
        pid_file = self._directory / "haproxy.pid"
        pid_file.unlink(missing_ok=True)
        with (self._directory / "haproxy.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "-W", "-db", "-f", str(self.config_file), "-p", str(pid_file),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        pid_file.write_text(f"{self._process.pid}\n")
        end = self._clock.monotonic() + START_SECONDS
        while not (self._directory / "admin.sock").exists():
            if self._process.returncode is not None or self._clock.monotonic() > end:
                raise HaproxyError(f"haproxy did not start: see {self._directory / 'haproxy.log'}")
            await self._clock.sleep(0.02)

    async def stop(self) -> None:
        """End master and workers."""
        if pid := self.pid:
            os.kill(pid, signal.SIGTERM)
        if self._process is not None:
            await self._clock.wait_for(self._process.wait(), 10.0)
            self._process = None
