"""The HAProxy process: a master that outlives this server, reloaded without dropping a connection.

The master's pid is in `haproxy.pid`; a server that starts again adopts the running one.
"""

import asyncio
import logging
import os
import re
import shutil
import signal
from pathlib import Path

from pinnace.component.clock import Clock
from pinnace.ingress import haproxy_runtime
from pinnace.ingress.haproxy_config import CERTIFICATES, MAPS, Configuration, Listen

log = logging.getLogger(__name__)

START_SECONDS = 5.0


class HaproxyError(Exception):
    """HAProxy is missing or refused its configuration; the message has its own words."""


class Refused(HaproxyError):
    """Its configuration, that is, or a file that belongs to it."""


class Haproxy:
    def __init__(self, clock: Clock, listen: Listen) -> None:
        self._clock = clock
        self.listen = listen
        self._directory = listen.directory
        self._program = (
            shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or ""
        )
        self._process: asyncio.subprocess.Process | None = None
        self._running: Configuration | None = None  # what it was told last by this object
        self._worker = 0  # pid of the process that serves, as far as it is known
        self.reloads = 0

    @property
    def is_installed(self) -> bool:
        return bool(self._program)

    @property
    def _socket(self) -> Path:
        return self._directory / "admin.sock"

    @property
    def _log(self) -> Path:
        return self._directory / "haproxy.log"

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

    async def apply(self, config: Configuration) -> bool:
        """Bring it to this configuration; False when it runs that already. Raises HaproxyError.

        New addresses alone are told to the running process; everything else is checked and loaded by a new one, which takes
        over the sockets while the old one finishes its connections.
        """
        if not self._program:
            raise HaproxyError("haproxy is not installed: run `apt-get install -y haproxy`")
        text = config.text()
        old = self.config_file.read_text() if self.config_file.exists() else ""
        if text == old and self.pid:
            self._running = config
            return False
        candidate = self._directory / "haproxy.cfg.new"
        candidate.write_text(text)
        if await self._told_addresses(config):
            candidate.replace(self.config_file)
        else:
            self._write_files(config)
            await self._check(candidate)
            candidate.replace(self.config_file)
            await self._load()
        self._running = config
        return True

    async def refusal(self, config: Configuration) -> str:
        """What it has against this configuration, "" for nothing; what runs goes on."""
        candidate = self._directory / "haproxy.cfg.new"
        candidate.write_text(config.text())
        self._write_files(config)
        try:
            await self._check(candidate)
        except Refused as refused:
            found = re.search(r"\[ALERT\].*?: (.*)", str(refused))
            return found[1] if found else str(refused)
        return ""

    async def _told_addresses(self, config: Configuration) -> bool:
        """Whether the running process could take over the new addresses without a reload."""
        if not (self._running and self.pid and config.differs_in_addresses_only(self._running)):
            return False
        wanted = haproxy_runtime.commands(self._running.servers, config.servers)
        try:
            self._worker = self._worker or await haproxy_runtime.worker(self._socket, self._clock)
            refused = await haproxy_runtime.send(self._socket, wanted, self._clock, self._worker)
        except (OSError, TimeoutError) as error:
            refused = str(error)
        if refused:
            log.warning("haproxy did not take new addresses, it is reloaded: %s", refused)
        return not refused

    async def _load(self) -> None:
        """Start it or have it read its configuration; returns once the new process serves. Raises HaproxyError."""
        self.reloads += 1
        old = 0
        if self.pid:
            old = self._worker or await haproxy_runtime.worker(self._socket, self._clock)
            os.kill(self.pid, signal.SIGUSR2)
        else:
            await self._start()
        try:
            self._worker = await haproxy_runtime.worker(self._socket, self._clock, other_than=old)
        except TimeoutError as error:
            self._running, self._worker = None, 0
            raise HaproxyError(f"{error}: see {self._log}") from None

    def _write_files(self, config: Configuration) -> None:
        """Those that are named by the configuration, and no others; a running process has read its own."""
        for folder in (MAPS, CERTIFICATES):
            directory = self._directory / folder
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in directory.iterdir():
                if f"{folder}/{path.name}" not in config.files:
                    path.unlink()
        for name, content in config.files.items():
            path = self._directory / name
            if not path.exists() or path.read_bytes() != content:
                path.touch(mode=0o600)
                path.write_bytes(content)

    async def _check(self, file: Path) -> None:
        process = await asyncio.create_subprocess_exec(
            self._program, "-c", "-f", str(file),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await self._clock.wait_for(process.communicate(), 30.0)
        if process.returncode != 0:
            raise Refused(f"haproxy refused its configuration: {output.decode(errors='replace').strip()}")

    async def _start(self) -> None:
        pid_file = self._directory / "haproxy.pid"
        pid_file.unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "-W", "-db", "-f", str(self.config_file), "-p", str(pid_file),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        pid_file.write_text(f"{self._process.pid}\n")
        end = self._clock.monotonic() + START_SECONDS
        while not self._socket.exists():
            if self._process.returncode is not None or self._clock.monotonic() > end:
                raise HaproxyError(f"haproxy did not start: see {self._log}")
            await self._clock.sleep(0.02)

    async def stop(self) -> None:
        """End master and workers."""
        if pid := self.pid:
            os.kill(pid, signal.SIGTERM)
        if self._process is not None:
            await self._clock.wait_for(self._process.wait(), 10.0)
            self._process = None
