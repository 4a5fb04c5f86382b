"""The client of webhooks: posts a review to the URL or Service of a `clientConfig` and reads the review that comes back.

    answer = await client.post(config, review, seconds=10)      # {"url": ...} or {"service": {...}}, "caBundle"

Connections are kept and used again per webhook server. What goes wrong is a `CallFailed` whose text is upstream's, so that callers
only put their own sentence before it (`failed calling webhook "x": failed to call webhook: ...`).
"""

import asyncio
import base64
import binascii
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson

from pinnace.apiserver.webhooks.services import Unresolved, resolve
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    import aiohttp

    from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
MAX_ANSWER = 3 * 1024 * 1024
_MOST_CONTEXTS = 256  # TLS contexts kept: one per authority and server name
_REDIRECTING = range(300, 400)


class CallFailed(Exception):
    """No usable answer; the text says why, in upstream's words. `status` is the HTTP status where there was one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a `clientConfig` leads: the URL as messages show it, and what to connect to for it."""

    shown: str
    url: str
    host: str
    server_name: str


class WebhookClient:
    def __init__(self, registries: "Registries", clock: Clock) -> None:
        self._registries, self._clock = registries, clock
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}
        self._open_session: aiohttp.ClientSession | None = None

    @contextlib.contextmanager
    def conversion(self, name: str, source: str, target: str) -> Iterator[None]:
        """Times what a conversion webhook of this definition takes for these versions."""
        begun, succeeded = self._clock.monotonic(), "false"
        try:
            yield
            succeeded = "true"
        finally:
            seconds = self._clock.monotonic() - begun
            self._registries.webhook_calls.converted((name, source, target, succeeded), seconds)

    async def post(self, config: Object, body: Object, *, seconds: float = 0) -> Object:
        """The decoded answer, a JSON object. Raises CallFailed. `seconds` 0 leaves the limit to the request's own."""
        suffix = f"?timeout={_go_duration(seconds)}" if seconds else ""
        shown = _shown(config) + suffix
        try:
            endpoint = await self._endpoint(config, suffix)
            call = self._send_again(endpoint, config.get("caBundle") or "", orjson.dumps(body))
            status, answer = await (self._clock.wait_for(call, seconds) if seconds else call)
        except TimeoutError:
            raise CallFailed(f'Post "{shown}": context deadline exceeded') from None
        except (Unresolved, OSError, ValueError) as error:
            raise CallFailed(f'Post "{shown}": {describe(error)}') from error
        if status != 200:
            raise CallFailed(refused(status, answer), status)
        return _decoded(answer)

    async def _endpoint(self, config: Object, suffix: str) -> Endpoint:
        service = config.get("service")
        if not service:
            url = config.get("url") or ""
            parts = urlsplit(url)
            return Endpoint(url + suffix, url + suffix, parts.netloc, parts.hostname or "")
        namespace, name, port = service["namespace"], service["name"], service.get("port") or 443
        target = await resolve(self._registries, namespace, name, port)
        host = f"[{target.host}]" if ":" in target.host else target.host
        path = _path(service)
        own = f"{name}.{namespace}.svc"
        return Endpoint(
            _shown(config) + suffix, f"https://{host}:{target.port}{path}{suffix}", f"{own}:{port}", own
        )

    async def _send_again(self, endpoint: Endpoint, authority: str, body: bytes) -> tuple[int, bytes]:
        """A kept connection may have been closed by the server just now: once more, on a new one."""
        try:
            return await self._send(endpoint, authority, body)
        except ConnectionResetError:
            return await self._send(endpoint, authority, body)

    async def _send(self, endpoint: Endpoint, authority: str, body: bytes) -> tuple[int, bytes]:
        import aiohttp
        from yarl import URL

        headers = {"Content-Type": "application/json", "Accept": "application/json, */*", "Host": endpoint.host,
                   "User-Agent": "kube-apiserver-admission"}  # fmt: skip
        try:
            async with self._session().post(
                URL(endpoint.url, encoded=True), data=body, headers=headers, allow_redirects=False,
                ssl=self._context(authority, endpoint.server_name), server_hostname=endpoint.server_name,
            ) as response:  # fmt: skip
                return response.status, await _limited(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise error.certificate_error from error
        except aiohttp.ClientConnectorError as error:
            raise error.os_error from error
        except aiohttp.ServerDisconnectedError as error:
            raise ConnectionResetError("EOF") from error
        except aiohttp.ClientError as error:
            raise ValueError(str(error)) from error

    def _context(self, authority: str, server_name: str) -> ssl.SSLContext:
        """Per server name too: connections that were verified for one name must not serve another."""
        key = (authority, server_name)
        if key not in self._contexts:
            if len(self._contexts) >= _MOST_CONTEXTS:
                self._contexts.clear()
            self._contexts[key] = tls_context(authority)
        return self._contexts[key]

    def _session(self) -> "aiohttp.ClientSession":
        if self._open_session is None:
            import aiohttp

            self._open_session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
            )
        return self._open_session

    async def close(self) -> None:
        if self._open_session is not None:
            session, self._open_session = self._open_session, None
            await session.close()


def tls_context(authority: str) -> ssl.SSLContext:
    """`authority` is a `caBundle` (base64 of PEM); "" trusts what the system trusts. Raises ValueError for what is no PEM."""
    if not authority:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the bundle may hold the server's own certificate
    try:
        context.load_verify_locations(cadata=base64.b64decode(authority, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
        raise ValueError("unable to load root certificates: unable to parse bytes as PEM block") from error
    return context


async def _limited(response: "aiohttp.ClientResponse") -> bytes:
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) > MAX_ANSWER:
            raise ValueError(f"http: response body too large: limit is {MAX_ANSWER}")
    return bytes(answer)


def _decoded(answer: bytes) -> Object:
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise CallFailed(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(value, dict):
        raise CallFailed("couldn't get version/kind; json parse error: json: cannot unmarshal into Go value")
    return value


def refused(status: int, answer: bytes) -> str:
    """What client-go says of an answer that is no 200."""
    try:
        value = orjson.loads(answer)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict) and value.get("kind") == "Status" and value.get("message"):
        return str(value["message"])
    text = answer[:2048].decode(errors="replace").strip() or "unknown"
    match status:
        case 404:
            return "the server could not find the requested resource"
        case 401:
            return "the server has asked for the client to provide credentials"
        case 403:
            return "unknown"
        case 405:
            return "the server does not allow this method on the requested resource"
        case 429:
            return "the server has received too many requests and has asked us to try again later"
        case 503:
            return "the server is currently unable to handle the request"
        case _ if status in _REDIRECTING:
            return f"the server responded with the status code {status} but did not return more information"
        case _ if status < 400 or status >= 500:
            return f'an error on the server ("{text}") has prevented the request from succeeding'
    return "the server rejected our request for an unknown reason"


def describe(error: Exception) -> str:
    """A failed connection as Go would put it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {_x509(error)}"
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error) or "HTTP_REQUEST" in str(error):
            return "http: server gave HTTP response to HTTPS client"
        return f"remote error: tls: {error.reason or error}"
    if isinstance(error, asyncio.CancelledError):
        return "context canceled"
    if isinstance(error, ConnectionRefusedError):
        return "dial tcp: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return str(error) if str(error) == "EOF" else "read: connection reset by peer"
    return str(error)


def _x509(error: ssl.SSLCertVerificationError) -> str:
    match error.verify_code:
        case 9 | 10:
            return "certificate has expired or is not yet valid"
        case 62 | 64:
            return f"certificate is not valid for the name asked for: {error.verify_message}"
    return "certificate signed by unknown authority"


def _shown(config: Object) -> str:
    service = config.get("service")
    if not service:
        return config.get("url") or ""
    port = service.get("port") or 443
    return f"https://{service['name']}.{service['namespace']}.svc:{port}{_path(service)}"


def _path(service: Object) -> str:
    path: str = service.get("path") or "/"
    return quote(path if path.startswith("/") else f"/{path}", safe="/!$&'()*+,;=:@-._~%")


def _go_duration(seconds: float) -> str:
    """As Go prints a duration: 10s, 1m30s, 500ms."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    whole = int(seconds)
    return f"{whole // 60}m{whole % 60}s" if whole >= 60 else f"{whole}s"
