"""The API server: HTTPS on one port, everything joined, started and stopped in order."""

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any

import uvloop  # noqa: F401 - the event loop this server is measured with; `cluster` installs it
from aiohttp import web

from pinnace.apiserver.assembly import build_services
from pinnace.apiserver.bootstrap import Bootstrap
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.edge import MAX_BODY, Edge
from pinnace.apiserver.handlers.dispatch import Dispatcher
from pinnace.apiserver.pipeline import compose, filters_for
from pinnace.component.clock import Clock
from pinnace.store.backend import Backend

if TYPE_CHECKING:
    from pinnace.apiserver.local_client import LocalClient

log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 180.0


class ApiServer:
    """`start` returns when requests are answered and `/readyz` is ok; `run` is start, wait for cancellation, stop."""

    def __init__(self, config: ApiServerConfig, backend: Backend, clock: Clock) -> None:
        self._config, self._backend, self._clock = config, backend, clock
        self.services = build_services(config, backend, clock)
        filters = filters_for(audited=self.services.audit is not None)
        self._edge = Edge(compose(Dispatcher(), filters), self.services)
        self._runner: web.ServerRunner | None = None
        self._background: asyncio.Task[None] | None = None
        self.port = config.port

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        await self._backend.open()
        try:
            bootstrap = Bootstrap(self.services)
            await bootstrap.run()
            await self._listen()
            await bootstrap.publish(self.port)
            await self.services.aggregator.start()
        except BaseException:
            await self.stop()
            raise
        self._background = asyncio.create_task(self._work(), name="apiserver work")
        log.info("API server on %s:%d", self._config.bind_address, self.port)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.services.registries.storages.run(), name="apiserver storages")
            tasks.create_task(self.services.custom_resources.run(), name="apiserver custom resources")

    async def _listen(self) -> None:
        server = web.Server(
            self._edge.handle,
            request_factory=_request,
            handler_cancellation=True,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            access_log=None,
            max_line_size=64 * 1024,
            max_field_size=64 * 1024,
        )
        self._runner = web.ServerRunner(
            server, handle_signals=False, shutdown_timeout=self._config.shutdown_grace_seconds
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self._config.bind_address, self._config.port, ssl_context=tls_context(self._config),
            backlog=1024, reuse_address=True,
        )  # fmt: skip
        await site.start()
        self.port = self.services.port = self._runner.addresses[0][1]

    async def run(self) -> None:
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Fail readiness, end watches, let requests finish, close the port and the store."""
        self.services.health.shutting_down = True
        self._edge.end_streams()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
            self._background = None
        await self.services.aggregator.stop()
        await self.services.kubelets.close()
        await self.services.authenticator.close()
        if self.services.audit is not None:
            await self.services.audit.close()
        await self.services.registries.close()
        self.services.registries.storages.close()
        await self._backend.close()

    def local_client(self, user: str, groups: tuple[str, ...] = ()) -> "LocalClient":
        """A client in this process, with the rights of this user."""
        from pinnace.apiserver.local_client import LocalClient

        return LocalClient(self.services, user, groups)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
    )


def tls_context(config: ApiServerConfig) -> ssl.SSLContext:
    """A client certificate is optional, but one that is sent must come from our CA, or from that of the front proxy."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(config.client_ca_file))
    if config.requestheader_client_ca_file is not None:
        context.load_verify_locations(config.requestheader_client_ca_file)
    context.load_cert_chain(config.tls_cert_file, config.tls_private_key_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
