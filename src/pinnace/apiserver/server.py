"""The API server: HTTPS on one port, everything joined, started and stopped in order."""

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

import uvloop  # noqa: F401 - the event loop this server is measured with; `cluster` installs it

from pinnace.apiserver.assembly import build_services
from pinnace.apiserver.bootstrap import Bootstrap
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.handlers.dispatch import Dispatcher
from pinnace.apiserver.health import HOOK
from pinnace.apiserver.listener import Listener
from pinnace.apiserver.pipeline import compose, filters_for
from pinnace.component.clock import Clock
from pinnace.component.logs import logs_requests
from pinnace.store.backend import Backend

if TYPE_CHECKING:
    from pinnace.apiserver.local_client import LocalClient

log = logging.getLogger(__name__)


class ApiServer:
    """`start` returns when requests are answered and `/readyz` is ok; `run` is start, wait for cancellation, stop."""

    def __init__(self, config: ApiServerConfig, backend: Backend, clock: Clock) -> None:
        self._config, self._backend, self._clock = config, backend, clock
        self.services = build_services(config, backend, clock)
        handler = compose(
            Dispatcher(),
            filters_for(
                audited=self.services.audit is not None,
                logged=logs_requests(),
                traced=self.services.tracer is not None,
            ),
        )
        self._listener = Listener(handler, self.services)
        self._background: asyncio.Task[None] | None = None
        self._tls: ssl.SSLContext | None = None
        self.port = config.port

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        await self._backend.open()
        try:
            bootstrap = Bootstrap(self.services)
            await bootstrap.run()
            self._tls = tls_context(self._config)
            self.port = await self._listener.start(self._config.bind_address, self._config.port, self._tls)
            self.services.port = self.port
            await bootstrap.publish(self.port)
            await self.services.aggregator.start()
            aggregation = ("start-kube-aggregator-informers", "apiservice-status-remote-available-controller")
            self.services.health.done(*(HOOK + name for name in aggregation))
        except BaseException:
            await self.stop()
            raise
        self._background = asyncio.create_task(self._work(), name="apiserver work")
        log.info("API server on %s:%d", self._config.bind_address, self.port)

    def reload_certificates(self) -> None:
        """Its own and those that it shows to others, from the same files; for the connections to come."""
        if self._tls is not None:
            self._tls.load_cert_chain(self._config.tls_cert_file, self._config.tls_private_key_file)
        self.services.kubelets.reload_certificate()
        self.services.aggregator.reload_certificate()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.services.registries.storages.run(), name="apiserver storages")
            tasks.create_task(self.services.custom_resources.run(), name="apiserver custom resources")

    async def run(self) -> None:
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Fail readiness, end watches, let requests finish, close the port and the store."""
        self.services.health.shutting_down = True
        self._listener.end_streams()
        await self._listener.stop(self._config.shutdown_grace_seconds)
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
