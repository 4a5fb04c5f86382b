"""Connections to extension API servers: as the front proxy, which vouches for the user in X-Remote headers.

Headers: https://github.com/kubernetes/client-go/blob/master/transport/round_trippers.go (SetAuthProxyHeaders)
"""

import ssl
from typing import TYPE_CHECKING

from pinnace.apiserver.aggregation.registrations import Registered
from pinnace.apiserver.authn.user import MASTERS, User
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.webhooks.client import describe, tls_context
from pinnace.apiserver.webhooks.services import Target, Unresolved, resolve
from pinnace.component.clock import Clock
from pinnace.net.upgrade import Address

if TYPE_CHECKING:
    import aiohttp

AGGREGATOR = User("system:kube-aggregator", (MASTERS,))
REMOTE_HEADERS = ("x-remote-user", "x-remote-uid", "x-remote-group")
EXTRA_PREFIX = "x-remote-extra-"
MAX_DOCUMENT = 32 * 1024 * 1024
_SECONDS = 5.0
_LINE_BREAKS = str.maketrans("\r\n\0", "   ")
_TOKEN = frozenset("!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def identity_headers(user: User) -> list[tuple[str, str]]:
    headers = [("X-Remote-User", user.name)]
    if user.uid:
        headers.append(("X-Remote-Uid", user.uid))
    headers += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        headers += [(f"X-Remote-Extra-{_escaped(key)}", value) for value in values]
    return [(name, _on_one_line(value)) for name, value in headers]


def _on_one_line(value: str) -> str:
    """A name with a line break in it must not become a header of its own."""
    return value.translate(_LINE_BREAKS)


def _escaped(key: str) -> str:
    """What may not stand in a header's name is written as %XX."""
    return "".join(
        char if char in _TOKEN else "".join(f"%{byte:02X}" for byte in char.encode()) for char in key
    )


def is_identity_header(name: str) -> bool:
    """Nobody but the proxy itself may say who the user is."""
    lower = name.lower()
    return lower in REMOTE_HEADERS or lower.startswith(EXTRA_PREFIX) or lower == "authorization"


class Unreachable(Exception):
    """The extension server gave no answer; the text says why."""


class Transport:
    def __init__(self, config: ApiServerConfig, registries: Registries, clock: Clock) -> None:
        self._config, self._registries, self._clock = config, registries, clock
        self._contexts: dict[tuple[str, bool, str], ssl.SSLContext] = {}
        self._session: aiohttp.ClientSession | None = None

    async def address(self, service: Registered, *, verify: bool = True) -> Address:
        """Where to connect. Raises Unresolved; ValueError for a caBundle that is none."""
        namespace, name, port = service.service
        target: Target = await resolve(self._registries, namespace, name, port)
        own = server_name(service)
        return Address(target.host, target.port, self._tls(service, own, verify), own)

    def _tls(self, service: Registered, name: str, verify: bool) -> ssl.SSLContext:
        """One context per authority and name, so that connections are kept apart; our client certificate is shown."""
        bundle, config = service.spec.get("caBundle") or "", self._config
        insecure = not verify or bool(service.spec.get("insecureSkipTLSVerify"))
        key = (bundle, insecure, name)
        if key not in self._contexts:
            context = tls_context("" if insecure else bundle)
            if insecure:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if config.proxy_client_cert_file and config.proxy_client_key_file:
                context.load_cert_chain(config.proxy_client_cert_file, config.proxy_client_key_file)
            self._contexts[key] = context
        return self._contexts[key]

    def forget_contexts(self) -> None:
        """Our certificate was made anew: the next connection reads it."""
        self._contexts.clear()

    def session(self) -> "aiohttp.ClientSession":
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )  # fmt: skip
        return self._session

    async def get(
        self, service: Registered, path: str, *, accept: str = "application/json", verify: bool = True
    ) -> tuple[int, str, bytes]:
        """Status, content type and body of a document, asked for by the aggregator itself. Raises Unreachable."""
        try:
            address = await self.address(service, verify=verify)
            call = self._get(service, address, path, accept)
            return await self._clock.wait_for(call, _SECONDS)
        except TimeoutError:
            shown = f"https://{server_name(service)}{path}"
            raise Unreachable(
                f'Get "{shown}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            ) from None
        except (Unresolved, OSError, ValueError) as error:
            raise Unreachable(describe(error)) from error

    async def _get(
        self, service: Registered, address: Address, path: str, accept: str
    ) -> tuple[int, str, bytes]:
        import aiohttp
        from yarl import URL

        headers = [*identity_headers(AGGREGATOR), ("Accept", accept), ("Accept-Encoding", "identity"),
                   ("Host", host_header(service))]  # fmt: skip
        try:
            async with self.session().get(
                URL(url_of(address, path), encoded=True), headers=headers, ssl=address.tls or True,
                server_hostname=address.server_name, allow_redirects=False,
            ) as answer:  # fmt: skip
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > MAX_DOCUMENT:
                        raise ValueError("the document is too large")
                return answer.status, answer.headers.get("Content-Type", ""), bytes(body)
        except aiohttp.ClientConnectorCertificateError as error:
            raise error.certificate_error from error
        except aiohttp.ClientConnectorError as error:
            raise error.os_error from error
        except aiohttp.ClientError as error:
            raise ValueError(str(error) or "EOF") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def server_name(service: Registered) -> str:
    namespace, name, _ = service.service
    return f"{name}.{namespace}.svc"


def host_header(service: Registered) -> str:
    port = service.service[2]
    return server_name(service) if port == 443 else f"{server_name(service)}:{port}"


def url_of(address: Address, target: str) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"https://{host}:{address.port}{target}"
