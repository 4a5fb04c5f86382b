"""`proxy` of pods, services and nodes: HTTP passed on to what they serve, upgrades included.

Leaves out rewriting links in HTML pages.
"""

import ipaddress
import random
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.bodies import connect
from pinnace.apiserver.request import Answer, Request, Response, UpgradeResponse
from pinnace.apiserver.subresources.streams import PRIVATE_HEADERS
from pinnace.net.upgrade import Address, forwarded_headers, proxy_upgrade

Object = dict[str, Any]
_NOT_PASSED_BACK = frozenset(("transfer-encoding", "connection", "keep-alive", "content-length"))


def split_name(name: str) -> tuple[str, str, str]:
    """`[scheme:]name[:port]` -> (scheme, name, port)."""
    parts = name.split(":")
    if len(parts) == 1:
        return "http", name, ""
    if len(parts) == 2:
        return "http", parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        return parts[0] or "http", parts[1], parts[2]
    raise errors.BadRequest(f'invalid request name "{name}"')


async def _admit(request: Request, row: Resource) -> None:
    """Whether the connection may be made; where it leads is the URL's to say."""
    await connect(request, row, path="/" + "/".join(request.info.rest))


async def handle_pod(request: Request, row: Resource) -> Answer:
    await _admit(request, row)
    scheme, name, port = split_name(request.info.name)
    pod = (await request.services.registries.of(r.PODS).storage.get(name, request.info.namespace)).obj
    address: str = (pod.get("status") or {}).get("podIP") or ""
    _check_address(address)
    return _forward(request, scheme, address, int(_port_number(port) or _first_port(pod)))


def _port_number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536):
        raise errors.BadRequest(f'invalid port "{text}"')
    return int(text or 0)


def _first_port(pod: Object) -> int:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            return int(port["containerPort"])
    return 80


async def handle_service(request: Request, row: Resource) -> Answer:
    await _admit(request, row)
    scheme, name, port = split_name(request.info.name)
    registries, namespace = request.services.registries, request.info.namespace
    service = (await registries.of(r.SERVICES).storage.get(name, namespace)).obj
    wanted = _service_port(service, port)
    if wanted is None:
        raise errors.ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
    try:
        endpoints = (await registries.of(r.ENDPOINTS).storage.get(name, namespace)).obj
    except errors.NotFound:
        raise errors.ServiceUnavailable(f'no endpoints available for service "{name}"') from None
    choices = [
        (address["ip"], entry["port"])
        for subset in endpoints.get("subsets") or ()
        for entry in subset.get("ports") or ()
        if entry.get("name", "") == wanted.get("name", "")
        for address in subset.get("addresses") or ()
    ]
    if not choices:
        raise errors.ServiceUnavailable(f'no endpoints available for service "{name}"')
    host, number = random.choice(choices)
    _check_address(host)
    return _forward(request, scheme, host, number)


def _check_address(text: str) -> None:
    """Only what is on the network: never what listens on the server's own loopback or link-local addresses.

    https://github.com/kubernetes/apimachinery/blob/master/pkg/util/proxy (IsProxyableIP)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise errors.BadRequest("address not allowed") from None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise errors.BadRequest("address not allowed")


def _service_port(service: Object, wanted: str) -> Object | None:
    ports: list[Object] = service["spec"].get("ports") or []
    if not wanted:
        return ports[0] if len(ports) == 1 else next((p for p in ports if not p.get("name")), None)
    return next((p for p in ports if wanted in (p.get("name"), str(p["port"]))), None)


async def handle_node(request: Request, row: Resource) -> Answer:
    await _admit(request, row)
    scheme, name, port = split_name(request.info.name)
    address = await request.services.kubelets.address(name)
    if _port_number(port) in (0, address.port):
        return _forward(request, "https", address.host, address.port, to_kubelet=True)
    return _forward(request, scheme, address.host, _port_number(port))


def _forward(request: Request, scheme: str, host: str, port: int, *, to_kubelet: bool = False) -> Answer:
    """Our client certificate is shown to kubelets alone."""
    info = request.info
    if not info.rest and not request.path.endswith("/") and request.method in ("GET", "HEAD"):
        return Response(b"", 301, "text/plain", {"Location": f"{request.path}/"})
    path = "/" + "/".join(quote(part, safe="!$&'()*+,;=:@-._~") for part in info.rest)
    if info.rest and request.path.endswith("/"):
        path += "/"
    query = request.raw_target.partition("?")[2]
    target = f"{path}?{query}" if query else path
    kubelets = request.services.kubelets
    tls = (kubelets.tls if to_kubelet else kubelets.anonymous_tls) if scheme == "https" else None
    session = kubelets.session(anonymous=not to_kubelet)

    async def serve(http: web.BaseRequest) -> web.StreamResponse:
        if "upgrade" in request.headers.get("Connection", "").lower():
            headers = forwarded_headers(http, without=PRIVATE_HEADERS)
            return await proxy_upgrade(http, Address(host, port, tls), target, headers)
        shown = f"[{host}]" if ":" in host else host
        return await _pass_through(session, http, f"{scheme}://{shown}:{port}{target}")

    return UpgradeResponse(serve)


async def _pass_through(
    session: aiohttp.ClientSession, http: web.BaseRequest, url: str
) -> web.StreamResponse:
    from yarl import URL

    headers = [
        (name, value) for name, value in forwarded_headers(http, without=PRIVATE_HEADERS)
        if name.lower() not in ("connection", "upgrade")
    ]  # fmt: skip
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    try:
        async with session.request(
            http.method, URL(url, encoded=True), headers=headers, data=http.content if http.body_exists else None,
            allow_redirects=False, timeout=timeout,
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
    except aiohttp.ClientConnectionError as error:
        raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from error
