"""Requests passed on to an extension API server: plain ones, streams and upgrades; bytes go through as they are."""

from collections.abc import AsyncGenerator
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from pinnace.apimachinery import errors
from pinnace.apiserver.aggregation.registrations import Registered
from pinnace.apiserver.aggregation.transport import (
    Transport,
    host_header,
    identity_headers,
    is_identity_header,
    url_of,
)
from pinnace.apiserver.request import Answer, Request, Response, StreamingResponse, UpgradeResponse
from pinnace.apiserver.webhooks.client import describe
from pinnace.apiserver.webhooks.services import Unresolved
from pinnace.net.upgrade import Address, forwarded_headers, proxy_upgrade

_NOT_PASSED_BACK = frozenset(("transfer-encoding", "connection", "keep-alive", "content-length"))
_NOT_PASSED_ON = frozenset(
    ("connection", "upgrade", "host", "content-length", "transfer-encoding", "keep-alive", "te", "trailer")
)
_CONNECT_SECONDS = 10.0
Headers = list[tuple[str, str]]


async def serve(transport: Transport, service: Registered, request: Request) -> Answer:
    """The user has been authenticated and authorized here; the other server learns from the headers who it is."""
    if not service.is_available:
        return Response(b"service unavailable\n", 503, "text/plain; charset=utf-8")
    try:
        address = await transport.address(service)
    except (Unresolved, ValueError) as error:
        raise errors.ServiceUnavailable(str(error)) from error
    own = [*identity_headers(request.user), *_forwarded(request)]
    target = _target(request)
    if request.in_process:
        return await _buffered(transport, service, request, address, target, own)

    async def answer(http: web.BaseRequest) -> web.StreamResponse:
        given = [pair for pair in forwarded_headers(http) if not is_identity_header(pair[0])]
        if "upgrade" in request.headers.get("Connection", "").lower():
            return await proxy_upgrade(http, address, target, [*_without_impersonation(given), *own])
        headers = [
            (name, value) for name, value in _without_impersonation(given) if name.lower() not in _NOT_PASSED_ON
        ]  # fmt: skip
        headers += [*own, ("Host", host_header(service))]
        return await _pass_through(transport, http, address, target, headers)

    return UpgradeResponse(answer)


def _target(request: Request) -> str:
    path, _, query = request.raw_target.partition("?")
    safe = quote(path, safe="/!$&'()*+,;=:@-._~%")
    return f"{safe}?{query}" if query else safe


def _forwarded(request: Request) -> Headers:
    known = request.headers.get("X-Forwarded-For", "")
    chain = ", ".join(part for part in (known, request.remote) if part)
    return [("X-Forwarded-For", chain)] if chain else []


def _without_impersonation(headers: Headers) -> Headers:
    """Already applied: what goes on is the user that was impersonated."""
    return [
        (name, value)
        for name, value in headers
        if not name.lower().startswith("impersonate-") and name.lower() != "x-forwarded-for"
    ]


async def _pass_through(
    transport: Transport, http: web.BaseRequest, address: Address, target: str, headers: Headers
) -> web.StreamResponse:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    try:
        async with transport.session().request(
            http.method, URL(url_of(address, target), encoded=True), headers=headers,
            data=http.content if http.body_exists else None, allow_redirects=False, timeout=timeout,
            ssl=address.tls or True, server_hostname=address.server_name,
        ) as answer:  # fmt: skip
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _NOT_PASSED_BACK:
                    response.headers.add(name, value)
            await response.prepare(http)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
    except aiohttp.ClientError as error:
        raise _unreachable(error) from error


async def _buffered(
    transport: Transport, service: Registered, request: Request, address: Address, target: str, own: Headers
) -> Answer:
    """For callers in this process, which read whole answers; watches are read as they come."""
    headers = [("Content-Type", request.headers.get("Content-Type", "application/json")), *own,
               ("Accept", request.headers.get("Accept", "application/json")), ("Host", host_header(service)),
               ("Accept-Encoding", "identity")]  # fmt: skip
    if request.info.verb == "watch":
        return await _followed(transport, address, target, headers)
    try:
        async with transport.session().request(
            request.method, URL(url_of(address, target), encoded=True), headers=headers,
            data=await request.read_body() or None, allow_redirects=False, ssl=address.tls or True,
            server_hostname=address.server_name, timeout=aiohttp.ClientTimeout(total=60, sock_connect=_CONNECT_SECONDS),
        ) as answer:  # fmt: skip
            return Response(await answer.read(), answer.status, answer.content_type)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _unreachable(error) from error


async def _followed(transport: Transport, address: Address, target: str, headers: Headers) -> Answer:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    try:
        answer = await transport.session().get(
            URL(url_of(address, target), encoded=True), headers=headers, allow_redirects=False, timeout=timeout,
            ssl=address.tls or True, server_hostname=address.server_name,
        )  # fmt: skip
        if answer.status != 200:
            return Response(await answer.read(), answer.status, answer.content_type)
    except aiohttp.ClientError as error:
        raise _unreachable(error) from error
    return StreamingResponse(_chunks(answer), content_type=answer.content_type)


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except aiohttp.ClientError as error:
        raise _unreachable(error) from error
    finally:
        answer.close()


def _unreachable(error: Exception) -> errors.ServiceUnavailable:
    cause: Exception = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    return errors.ServiceUnavailable(f"error trying to reach service: {describe(cause)}")
