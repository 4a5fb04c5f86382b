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
_SIMULATED = "simulated://"  # as `pinnace.kubelet.simulated` registers its nodes
_ADDRESS_TYPES = ("InternalIP", "Hostname", "InternalDNS", "ExternalDNS", "ExternalIP")
_CONNECT_SECONDS = 10


class Kubelets:
    """TLS with the server's client certificate; the kubelet's own is verified only where a CA for it is configured."""

    def __init__(self, config: ApiServerConfig, registries: Registries) -> None:
        self._config, self._registries = config, registries
        self._tls: ssl.SSLContext | None = None
        self._anonymous_tls: ssl.SSLContext | None = None
        self._unverified_tls: ssl.SSLContext | None = None
        self._sessions: dict[ssl.SSLContext, aiohttp.ClientSession] = {}

    @property
    def tls(self) -> ssl.SSLContext:
        if self._tls is None:
            config = self._config
            authority = config.kubelet_certificate_authority
            context = ssl.create_default_context(cafile=str(authority) if authority else None)
            if authority is None:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._tls = context
            self.reload_certificate()
        return self._tls

    @property
    def unverified_tls(self) -> ssl.SSLContext:
        """For who asks for the log of a kubelet whose certificate has expired; ours is shown."""
        if self._config.kubelet_certificate_authority is None:
            return self.tls
        if self._unverified_tls is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._unverified_tls = context
            self.reload_certificate()
        return self._unverified_tls

    def reload_certificate(self) -> None:
        """From its file into the connections to come."""
        config = self._config
        for context in (self._tls, self._unverified_tls):
            if context is not None and config.kubelet_client_certificate and config.kubelet_client_key:
                context.load_cert_chain(config.kubelet_client_certificate, config.kubelet_client_key)

    @property
    def anonymous_tls(self) -> ssl.SSLContext:
        """For what is not a kubelet (pods, services): nothing verified, as upstream, and no certificate of ours shown.

        A pod in the host's network shares the kubelet's address: with our certificate, whoever may proxy to such a pod
        would be the API server to the kubelet.
        """
        if self._anonymous_tls is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._anonymous_tls = context
        return self._anonymous_tls

    async def address(self, node_name: str) -> "Address":
        """Raises NotFound for an unknown node, ServiceUnavailable for one that gives no address or is simulated."""
        from pinnace.net.upgrade import Address

        node = (await self._registries.of(r.NODES).storage.get(node_name)).obj
        status = node.get("status") or {}
        runtime = (status.get("nodeInfo") or {}).get("containerRuntimeVersion", "")
        if runtime.startswith(
            _SIMULATED
        ):  # its address is made up: some machine of the user's network may have it
            raise errors.ServiceUnavailable(
                f'node "{node_name}" is simulated: it has no kubelet and its pods no containers'
            )
        listed = status.get("addresses") or ()
        by_type = {
            entry.get("type") or "": entry.get("address") or "" for entry in reversed(listed)
        }  # the first of each type
        host = next((by_type[kind] for kind in _ADDRESS_TYPES if kind in by_type), "")
        if not host:
            raise errors.ServiceUnavailable(
                f"no preferred addresses found; known addresses: {sorted(by_type)}"
            )
        endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
        return Address(host, int(endpoint.get("Port") or _DEFAULT_PORT), self.tls)

    @asynccontextmanager
    async def request(
        self, node_name: str, path: str, *, query: list[tuple[str, str]] | None = None, verified: bool = True
    ) -> "AsyncGenerator[aiohttp.ClientResponse, None]":
        """GET `path` of the kubelet; raises ServiceUnavailable when it cannot be reached."""
        import aiohttp

        address = await self.address(node_name)
        host = f"[{address.host}]" if ":" in address.host else address.host
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        try:
            async with self._session(self.tls if verified else self.unverified_tls).get(
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

    def session(self, *, anonymous: bool = False) -> "aiohttp.ClientSession":
        return self._session(self.anonymous_tls if anonymous else self.tls)

    def _session(self, tls: ssl.SSLContext) -> "aiohttp.ClientSession":
        """Connections are never shared between those that show our certificate, or verify, and those that do not."""
        import aiohttp

        if tls not in self._sessions:
            connector = aiohttp.TCPConnector(ssl=tls, limit=0)
            self._sessions[tls] = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._sessions[tls]

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.popitem()[1].close()
