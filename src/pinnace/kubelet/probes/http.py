"""httpGet: as a probe (any status from 200 to 399 is a success) and as a lifecycle hook (any answer is).

Certificates are not verified and every request opens its own connection, as upstream. Redirects are followed on the same
host only; one that leads elsewhere is a warning.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from pinnace.client.interface import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.probes.dial import dial_error, os_error_text
from pinnace.kubelet.probes.spec import MAX_OUTPUT, Outcome, Result, host_port, port_number

USER_AGENT = "kube-probe/1.36"
MAX_REDIRECTS = 10


@dataclass(frozen=True, slots=True)
class Target:
    url: URL
    headers: Mapping[str, str]
    text: str  # the URL as it stands in messages


def target_of(action: Mapping[str, Any], container: dict[str, Any], pod_ip: str) -> Target:
    """Raises ValueError when the port has no number."""
    host = action.get("host") or pod_ip
    port = port_number(action["port"], container)
    path = action.get("path") or "/"
    text = f"{(action.get('scheme') or 'HTTP').lower()}://{host_port(host, port)}/{path.removeprefix('/')}"
    headers: CIMultiDict[str] = CIMultiDict(
        {"User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    )
    for entry in action.get("httpHeaders") or ():
        if entry["name"].lower() in ("user-agent", "accept"):
            headers.popall(entry["name"], None)
            if not entry.get("value"):
                continue
        headers.add(entry["name"], entry.get("value", ""))
    return Target(URL(text), headers, text)


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class HttpProber:
    """Keeps one client session for all probes; `close` it at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: aiohttp.ClientSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None:
            connector = aiohttp.TCPConnector(ssl=_tls(), limit=0, force_close=True, use_dns_cache=False)
            self._open = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._open

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None

    async def probe(self, target: Target, timeout: float) -> Outcome:
        try:
            return await self._clock.wait_for(self._get(target), timeout)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Outcome(Result.FAILURE, f'Get "{target.text}": {why}')
        except (aiohttp.ClientError, OSError) as error:
            return Outcome(Result.FAILURE, f'Get "{target.text}": {_error_text(target, error)}')

    async def _get(self, target: Target) -> Outcome:
        url = target.url
        for _ in range(MAX_REDIRECTS):
            async with self._session().get(url, headers=target.headers, allow_redirects=False) as answer:
                body = (await answer.content.read(MAX_OUTPUT)).decode("utf-8", "replace")
                location = answer.headers.get("Location", "")
                if answer.status not in (301, 302, 303, 307, 308) or not location:
                    if 200 <= answer.status < 400:
                        return Outcome(Result.SUCCESS, body)
                    return Outcome(Result.FAILURE, f"HTTP probe failed with statuscode: {answer.status}")
            url = url.join(URL(location))
            if url.host != target.url.host:
                return Outcome(Result.WARNING, f"Probe terminated redirects, Response body: {body}")
        return Outcome(Result.FAILURE, f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')


def _error_text(target: Target, error: Exception) -> str:
    address = host_port(target.url.host or "", target.url.port or 0)
    if isinstance(error, aiohttp.ClientConnectorError):
        return dial_error(address, error.os_error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientOSError | OSError):
        return f"read tcp {address}: read: {os_error_text(error)}"
    return str(error) or type(error).__name__


class HttpHooks:
    """httpGet lifecycle hooks (`contracts.LifecycleHooks`): the request is what counts, the status does not."""

    def __init__(self, prober: HttpProber, clock: Clock, *, timeout: float = 30.0) -> None:
        self._prober, self._clock, self._timeout = prober, clock, timeout

    async def http_get(
        self, pod: Object, container: dict[str, Any], action: dict[str, Any], *, pod_ip: str
    ) -> None:
        outcome = await self._prober.probe(target_of(action, container, pod_ip), self._timeout)
        if outcome.result is Result.FAILURE and outcome.output.startswith("Get "):
            raise OSError(outcome.output)
