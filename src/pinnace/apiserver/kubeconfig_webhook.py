"""POSTs reviews to a server that a kubeconfig file names: webhook authentication, webhook authorization, the audit webhook."""

import asyncio
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pinnace.client import kubeconfig
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    import aiohttp

_ATTEMPTS, _FIRST_WAIT_SECONDS, _FACTOR = 5, 0.5, 1.5  # upstream's DefaultRetryBackoff


class WebhookFailed(Exception):
    """The server could not be asked, or did not answer as it should."""


class KubeconfigWebhook:
    """The file is read at once, so that a wrong one stops the start; the connection is made at the first question."""

    def __init__(self, path: Path, clock: Clock, *, context: str = "", timeout_seconds: float = 30.0) -> None:
        """Raises kubeconfig.KubeconfigError."""
        self._connection = kubeconfig.connection(kubeconfig.load(str(path)), context=context)
        if not self._connection.server:
            raise kubeconfig.KubeconfigError(f"{path}: no server is configured")
        self._clock, self._timeout = clock, timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: Any) -> Any:
        """The decoded answer; asks again when the server cannot be reached or has too much to do. Raises WebhookFailed."""
        payload, wait = orjson.dumps(body), _FIRST_WAIT_SECONDS
        for attempt in range(_ATTEMPTS):
            try:
                return await self._once(payload)
            except _Again as error:
                if attempt == _ATTEMPTS - 1:
                    raise WebhookFailed(str(error)) from error
            await self._clock.sleep(wait)
            wait *= _FACTOR
        raise AssertionError("unreachable")

    async def _once(self, payload: bytes) -> Any:
        import aiohttp

        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = self._connection.server
        try:
            session = await self._open()
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            async with session.post(url, data=payload, headers=headers, timeout=timeout) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Again(f'Post "{url}": {error}') from error
        if answer.status == 429 or answer.status >= 500:
            raise _Again(f'Post "{url}": the server answered {answer.status}')
        if not 200 <= answer.status < 300:
            raise WebhookFailed(f'Post "{url}": the server answered {answer.status}')
        try:
            return orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as error:
            raise WebhookFailed(f'Post "{url}": the answer is not JSON') from error

    async def _open(self) -> "aiohttp.ClientSession":
        if self._session is None:
            import aiohttp

            tls = await asyncio.to_thread(_tls, self._connection)
            headers = {"Authorization": f"Bearer {self._connection.token}"} if self._connection.token else {}
            login = self._connection.username
            basic = aiohttp.BasicAuth(login, self._connection.password) if login else None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls), headers=headers, auth=basic
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Again(Exception):
    """Worth another attempt."""


def _tls(connection: kubeconfig.Connection) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=connection.ca or None)
    if connection.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if connection.certificate:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:  # readable by this user only
            pair.write(f"{connection.certificate}\n{connection.key}\n")
            pair.flush()
            context.load_cert_chain(pair.name)
    return context
