"""`proxy` of pods, services and nodes: HTTP passed on to what they serve, upgrades included; links in pages lead back here."""

import gzip
import ipaddress
import random
import zlib
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from aiohttp import web

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.bodies import connect
from pinnace.apiserver.request import Answer, Request, Response, UpgradeResponse
from pinnace.apiserver.subresources.links import rewrite_link, rewrite_page
from pinnace.apiserver.subresources.streams import PRIVATE_HEADERS
from pinnace.net.upgrade import Address, forwarded_headers, proxy_upgrade

Object = dict[str, Any]
_LARGEST_PAGE = 4 * 1024 * 1024
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
    check_address(address)
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
    check_address(host)
    return _forward(request, scheme, host, number)


def check_address(text: str) -> None:
    """Only what is on the network: never what listens on the server's own loopback or link-local addresses.

    https://github.com/kubernetes/apimachinery/blob/master/pkg/util/proxy (IsProxyableIP)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise errors.BadRequest("address not allowed") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
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
    check_address(address.host)
    return _forward(request, scheme, address.host, _port_number(port))


def _forward(request: Request, scheme: str, host: str, port: int, *, to_kubelet: bool = False) -> Answer:
    """Our client certificate is shown to kubelets alone."""
    info = request.info
    if not info.rest and not request.path.endswith("/") and request.method in ("GET", "HEAD"):
        return Response(b"", 301, "text/plain", {"Location": f"{request.path}/"})
    path = "/" + "/".join(quote(part, safe="!$&'()*+,;=:@-._~") for part in info.rest)
    if info.rest and request.path.endswith("/"):
        path += "/"
    prefix = request.path.removesuffix("/").removesuffix("/".join(("", *info.rest)))
    query = request.raw_target.partition("?")[2]
    target = f"{path}?{query}" if query else path
    kubelets = request.services.kubelets
    tls = (kubelets.tls if to_kubelet else kubelets.anonymous_tls) if scheme == "https" else None
    session = kubelets.session(anonymous=not to_kubelet)

    async def serve(http: web.BaseRequest) -> web.StreamResponse:
        if "upgrade" in request.headers.get("Connection", "").lower():
            headers = forwarded_headers(http, without=PRIVATE_HEADERS)
            return await proxy_upgrade(http, Address(host, port, tls), target, headers)
        backend = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return await _pass_through(session, http, f"{scheme}://{backend}{target}", _Links(prefix, backend))

    return UpgradeResponse(serve)


class _Links(NamedTuple):
    """What `links` needs to know: the path of this proxy, and the backend's host and port."""

    prefix: str
    backend: str


async def _pass_through(
    session: aiohttp.ClientSession, http: web.BaseRequest, url: str, links: _Links
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
            if location := answer.headers.get("Location"):
                response.headers["Location"] = rewrite_link(location, *links)
            chunks = _page(answer, links) if _is_page(answer) else answer.content.iter_any()
            await response.prepare(http)
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
            return response
    except aiohttp.ClientConnectionError as error:
        raise errors.ServiceUnavailable(f"error trying to reach service: {error}") from error


def _is_page(answer: aiohttp.ClientResponse) -> bool:
    """HTML in an encoding that we can read; any other is passed on as it is."""
    encoding = answer.headers.get("Content-Encoding", "identity")
    return answer.content_type == "text/html" and encoding in ("identity", "gzip")


async def _page(answer: aiohttp.ClientResponse, links: _Links) -> AsyncGenerator[bytes, None]:
    """The page with its links rewritten; one that is too large to hold comes as it is."""
    held = bytearray()
    async for chunk in answer.content.iter_any():
        held += chunk
        if len(held) > _LARGEST_PAGE:
            yield bytes(held)
            break
    else:
        yield _rewritten(bytes(held), answer, links)
        return
    async for chunk in answer.content.iter_any():
        yield chunk


def _rewritten(body: bytes, answer: aiohttp.ClientResponse, links: _Links) -> bytes:
    """The page in the encoding it came in; unchanged where that is not what its headers say, or it unpacks to too much."""
    charset, packed = answer.charset or "utf-8", answer.headers.get("Content-Encoding") == "gzip"
    try:
        plain = body
        if packed:
            unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            plain = unpacking.decompress(body, _LARGEST_PAGE)
            if unpacking.unconsumed_tail:
                return body
        page = rewrite_page(plain.decode(charset), *links).encode(charset)
    except (UnicodeError, LookupError, zlib.error):
        return body
    return gzip.compress(page, 1) if packed else page
