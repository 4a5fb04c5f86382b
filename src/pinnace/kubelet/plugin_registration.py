"""Plugins that register with the kubelet: a socket in `plugins_registry` says who it is, its kind's handler takes it in.

Kinds are CSIPlugin, DevicePlugin and DRAPlugin upstream; a kind without a handler here is told so, in upstream's words.
Upstream: pkg/kubelet/pluginmanager
"""

import asyncio
import logging
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pinnace.component.clock import Clock
from pinnace.component.inotify import Inotify
from pinnace.net.csi.client import Endpoint
from pinnace.net.grpc_sockets import RpcError

log = logging.getLogger(__name__)

CALL_SECONDS, FIRST_PAUSE, LONGEST_PAUSE = 10.0, 0.5, 122.0
SETTLE_SECONDS = 0.05  # a socket is bound a moment before it listens


class PluginHandler(Protocol):
    async def register(self, name: str, endpoint: str, versions: tuple[str, ...]) -> None:
        """Raises ValueError (told to the plugin), RpcError, StatusError, OSError."""

    async def deregister(self, name: str) -> None: ...


class Registered:
    """One socket: registered under this name with this handler, or still tried."""

    def __init__(self, identity: tuple[int, int, int]) -> None:
        self.identity = identity  # a socket that was replaced is another one
        self.task: asyncio.Task[None] | None = None
        self.kind = self.name = ""


class PluginRegistration:
    """Implements `contracts.NodeEdge`."""

    def __init__(self, directory: Path, clock: Clock, handlers: Mapping[str, PluginHandler]) -> None:
        self._directory, self._clock, self._handlers = directory, clock, handlers
        self._sockets: dict[Path, Registered] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        watcher = Inotify(lambda _: self._changed.set())
        try:
            while True:
                self._changed.clear()
                await self._look(watcher)
                await self._changed.wait()
                await self._clock.sleep(SETTLE_SECONDS)
        finally:
            watcher.close()
            for one in self._sockets.values():
                if one.task is not None:
                    one.task.cancel()
            self._sockets.clear()

    async def _look(self, watcher: Inotify) -> None:
        """Compare the sockets that are there with those that were."""
        there = self._find(watcher)
        for path in [path for path, one in self._sockets.items() if there.get(path) != one.identity]:
            await self._forget(path, is_replaced=path in there)
        for path, identity in there.items():
            if path not in self._sockets:
                one = self._sockets[path] = Registered(identity)
                one.task = asyncio.create_task(
                    self._register_until_done(path, one), name=f"plugin {path.name}"
                )

    def _find(self, watcher: Inotify) -> dict[Path, tuple[int, int, int]]:
        found: dict[Path, tuple[int, int, int]] = {}
        directories = [self._directory]
        while directories:
            directory = directories.pop()
            try:
                watcher.watch(directory)
                entries = list(directory.iterdir())
            except FileNotFoundError:  # gone meanwhile, of which its parent tells
                if directory == self._directory:
                    raise
                continue
            for entry in entries:
                try:
                    status = entry.lstat()
                except FileNotFoundError:
                    continue
                if entry.name.startswith("."):
                    continue
                if stat.S_ISDIR(status.st_mode):
                    directories.append(entry)
                elif stat.S_ISSOCK(status.st_mode):
                    found[entry] = status.st_dev, status.st_ino, status.st_ctime_ns
        return found

    async def _forget(self, path: Path, *, is_replaced: bool) -> None:
        """A plugin that was started anew behind its socket stays registered meanwhile."""
        one = self._sockets.pop(path)
        if one.task is not None and not one.task.done():
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)
        others = [(other.kind, other.name) for other in self._sockets.values()]
        if one.name and not is_replaced and (one.kind, one.name) not in others:
            log.info("plugin %s of kind %s is gone", one.name, one.kind)
            try:
                await self._handlers[one.kind].deregister(one.name)
            except Exception as error:
                log.warning("plugin %s not deregistered: %s", one.name, error)

    async def _register_until_done(self, path: Path, one: Registered) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._register(path, one)
            except Exception as error:
                log.warning("plugin at %s not registered: %s", path, error)
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _register(self, path: Path, one: Registered) -> None:
        socket = Endpoint(str(path), CALL_SECONDS)
        info = await socket.registration("GetInfo", "InfoRequest", "PluginInfo")
        handler = self._handlers.get(info.type)
        try:
            if handler is None:
                raise ValueError(f"no handler registered for plugin type: {info.type} at socket {path}")
            await handler.register(info.name, info.endpoint or str(path), tuple(info.supported_versions))
        except Exception as error:
            await self._notify(socket, registered=False, error=f"RegisterPlugin error -- {error}")
            raise
        one.kind, one.name = info.type, info.name
        log.info("plugin %s of kind %s registered", info.name, info.type)
        await self._notify(socket, registered=True)

    async def _notify(self, socket: Endpoint, *, registered: bool, error: str = "") -> None:
        try:
            await socket.registration(
                "NotifyRegistrationStatus", "RegistrationStatus", "RegistrationStatusResponse",
                plugin_registered=registered, error=error,
            )  # fmt: skip
        except RpcError as failure:
            log.warning("plugin at %s was not told its registration: %s", socket.path, failure)
