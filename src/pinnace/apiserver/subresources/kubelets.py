"""The server's connections to kubelets: where a node's kubelet listens, and plain requests to it."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.registry.catalog import Registries

if TYPE_CHECKING:
    import aiohttp

    from pinnace.net.upgrade import Address

_DEFAULT_PORT = 10250
_ADDRESS_TYPES = ("InternalIP", "Hostname", "InternalDNS", "ExternalDNS", "ExternalIP")
_CONNECT_SECONDS = 10


class Kubelets:
    """TLS with the server's client certificate; the kubelet's own is verified only where a CA for it is configured."""

    def __init__(self, config: ApiServerConfig, registries: Registries) -> None:
        self._config, self._registries = config, registries
        self._tls: ssl.SSLContext | None = None
        self._open_session: aiohttp.ClientSession | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        if self._tls is None:
            config = self._config
            authority = config.kubelet_certificate_authority
            context = ssl.create_default_context(cafile=str(authority) if authority else None)
            if authority is None:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if config.kubelet_client_certificate and config.kubelet_client_key:
                context.load_cert_chain(config.kubelet_client_certificate, config.kubelet_client_key)
            self._tls = context
        return self._tls

    async def address(self, node_name: str) -> "Address":
        """Raises NotFound for an unknown node, ServiceUnavailable for one that gives no address."""
        from pinnace.net.upgrade import Address

        node = (await self._registries.of(r.NODES).storage.get(node_name)).obj
        status = node.get("status") or {}
        by_type = {entry["type"]: entry["address"] for entry in status.get("addresses") or ()}
        host = next((by_type[kind] for kind in _ADDRESS_TYPES if kind in by_type), "")
        if not host:
            raise errors.ServiceUnavailable(
                f"no preferred addresses found; known addresses: {sorted(by_type)}"
            )
        endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        return Address(host, int(endpoint.get("Port") or _DEFAULT_PORT), self.tls)

    @asynccontextmanager
    async def request(
        self, node_name: str, path: str, *, query: list[tuple[str, str]] | None = None
    ) -> "AsyncGenerator[aiohttp.ClientResponse, None]":
        """GET `path` of the kubelet; raises ServiceUnavailable when it cannot be reached."""
        import aiohttp

        address = await self.address(node_name)
        host = f"[{address.host}]" if ":" in address.host else address.host
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        try:
            async with self.session().get(
                f"https://{host}:{address.port}{path}", params=query, timeout=timeout
            ) as response:
                yield response
        except aiohttp.ClientConnectorError as error:
            raise errors.InternalError(
                f'Get "https://{host}:{address.port}{path}": {error.os_error or error}'
            ) from error
        except aiohttp.ClientError as error:
            raise errors.InternalError(f"error dialing backend: {error}") from error

    async def json(self, node_name: str, path: str) -> Any:
        async with self.request(node_name, path) as response:
            if response.status != 200:
                raise errors.ServiceUnavailable(
                    f"kubelet of {node_name} answered {response.status} for {path}"
                )
            return await response.json(content_type=None)

    def session(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._open_session is None:
            connector = aiohttp.TCPConnector(ssl=self.tls, limit=0)
            self._open_session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._open_session

    async def close(self) -> None:
        if self._open_session is not None:
            await self._open_session.close()
            self._open_session = None
