"""The HTTPS server: one handler for every request, which authenticates, authorizes, routes and words refusals.

`KubeletServer(host, client, clock, stats, tls=serving_tls(cert, key, client_ca)).run()` serves until cancelled. `tls` None
serves plain HTTP and trusts everybody: for tests.
"""

import asyncio
import logging
import ssl
from pathlib import Path

from aiohttp import web

from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.server.auth import Auth
from pinnace.kubelet.server.container_logs import ContainerLogs
from pinnace.kubelet.server.debugging import Debugging
from pinnace.kubelet.server.health import Health
from pinnace.kubelet.server.local_volumes import LocalVolumes
from pinnace.kubelet.server.metrics import Metrics
from pinnace.kubelet.server.pods import Pods
from pinnace.kubelet.server.routing import Refusal, Router
from pinnace.kubelet.server.streaming import Streaming
from pinnace.kubelet.stats.provider import StatsProvider

log = logging.getLogger(__name__)

CLOSING_SECONDS = 1.0  # for answers under way when the server ends


def serving_tls(cert_file: Path, key_file: Path, client_ca_file: Path) -> ssl.SSLContext:
    """TLS for the server; client certificates are optional, and verified with the cluster's CA."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca_file))
    context.load_cert_chain(cert_file, key_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


class KubeletServer:
    def __init__(
        self,
        host: KubeletHost,
        client: Client,
        clock: Clock,
        stats: StatsProvider,
        *,
        tls: ssl.SSLContext | None,
        bind_address: str = "",
        tracer: Tracer | None = None,
    ) -> None:
        """`bind_address` empty: every address of the families that the node has."""
        self._host, self._tls = host, tls
        every = None if any(":" in ip for ip in host.config.node_ips) else "0.0.0.0"
        self._bind_address = bind_address or every
        self._auth = Auth(client, clock, host.config.node_name)
        families = (
            ContainerLogs(host, clock),
            Streaming(host, clock),
            Pods(host),
            Health(host),
            Metrics(host, stats),
            LocalVolumes(host),
            Debugging(tracer),
        )
        self._router = Router(route for family in families for route in family.routes())
        self._runner: web.ServerRunner | None = None

    @property
    def port(self) -> int:
        """Where it listens; after `start`."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken. Port 0 picks a free one."""
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=CLOSING_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            self._bind_address,
            self._host.config.port,
            ssl_context=self._tls,
            reuse_address=True,
        )
        await site.start()

    async def run(self) -> None:
        if self._runner is None:
            await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if self._tls is not None:
                await self._auth.check(request)
            handler, params = self._router.find(request.method, request.path)
            return await handler(request, params)
        except Refusal as refusal:
            return web.Response(status=refusal.status, text=refusal.text)
        except ConnectionError:
            return web.Response(status=499)  # the client left
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return web.Response(status=500, text="Internal Server Error")
