"""Exec, attach and port-forward: ask the runtime for a streaming URL, then join the client to it.

SPDY clients are spliced to the runtime's streaming server byte by byte, as are port-forwards over v4 channels. Exec and
attach over WebSocket are translated to SPDY (`net.remote_command`), and a SPDY port-forward that is tunnelled in a WebSocket
(kubectl 1.31 and later) is unwrapped.
"""

from collections.abc import Awaitable, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from pinnace.api import meta
from pinnace.client.interface import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus, CriError
from pinnace.kubelet.server.routing import Refusal, Route, find_pod, route
from pinnace.net.channels import SPDY_VERSIONS, STREAM_PROTOCOL_HEADER, choose
from pinnace.net.remote_command import Wanted, relay
from pinnace.net.spdy import Session
from pinnace.net.splice import splice
from pinnace.net.upgrade import Address, UpgradeAnswer, forwarded_headers, proxy_upgrade, request_upgrade
from pinnace.net.websocket import (
    WebSocketStream,
    accept_websocket,
    is_upgrade,
    is_websocket,
    offered_protocols,
)

SPDY = "SPDY/3.1"
PORT_FORWARD = "portforward.k8s.io"
TUNNEL = f"{SPDY}+{PORT_FORWARD}"
NOT_FOR_THE_RUNTIME = ("Authorization", "Cookie")


class Streaming:
    def __init__(self, host: KubeletHost, clock: Clock) -> None:
        self._host, self._clock = host, clock

    def routes(self) -> list[Route]:
        container, forward = "{namespace}/{pod}/{container}", "/portForward/{namespace}/{pod}"
        with_uid = "{namespace}/{pod}/{uid}/{container}"
        return [
            route("GET POST", f"/exec/{container}", self._exec),
            route("GET POST", f"/exec/{with_uid}", self._exec),
            route("GET POST", f"/attach/{container}", self._attach),
            route("GET POST", f"/attach/{with_uid}", self._attach),
            route("GET POST", forward, self._port_forward),
            route("GET POST", f"{forward}/{{uid}}", self._port_forward),
        ]

    async def _exec(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        wanted = _wanted(request)
        pod = find_pod(self._host, params, "pod does not exist")
        container = self._running(pod, params["container"])
        if container is None:
            raise Refusal(500, f'container not found ("{params["container"]}")')
        asking = self._host.runtime.exec(
            container.id,
            request.query.getall("command", []),
            stdin=wanted.stdin,
            stdout=wanted.stdout,
            stderr=wanted.stderr,
            tty=wanted.tty,
        )
        return await self._join_command(request, wanted, asking)

    async def _attach(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        wanted = _wanted(request)
        pod = find_pod(self._host, params, "pod does not exist")
        container = self._running(pod, params["container"])
        if container is None:
            raise Refusal(500, f"container {params['container']} not found in pod {params['pod']}")
        asking = self._host.runtime.attach(
            container.id, stdin=wanted.stdin, stdout=wanted.stdout, stderr=wanted.stderr, tty=wanted.tty
        )
        return await self._join_command(request, wanted, asking)

    def _running(self, pod: Object, name: str) -> ContainerStatus | None:
        for container in self._host.containers(meta.uid(pod)):
            if container.name == name and container.state is ContainerState.RUNNING:
                return container
        return None

    async def _join_command(
        self, request: web.BaseRequest, wanted: Wanted, asking: Awaitable[str]
    ) -> web.StreamResponse:
        if not is_websocket(request):
            return await self._pass_through(request, await _url(asking))
        protocol = choose(offered_protocols(request))
        if protocol is None:
            raise Refusal(400, f"unable to upgrade: no protocol of {offered_protocols(request)} is supported")
        backend = await self._spdy_to(await _url(asking), SPDY_VERSIONS)
        socket = await accept_websocket(request, protocol.name)
        await relay(socket, protocol, wanted, Session(backend.stream, server=False))
        return socket

    async def _port_forward(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        try:
            ports = [int(port) for port in ",".join(request.query.getall("port", [])).split(",") if port]
        except ValueError as error:
            raise Refusal(400, f"unable to parse a port: {error}") from error
        pod = find_pod(self._host, params, "pod does not exist")
        sandbox = self._host.sandbox(meta.uid(pod))
        if sandbox is None:
            raise Refusal(500, f'pod not found ("{params["pod"]}_{params["namespace"]}({meta.uid(pod)})")')
        url = await _url(self._host.runtime.port_forward(sandbox.id, ports))
        if not is_websocket(request) or TUNNEL not in offered_protocols(request):
            return await self._pass_through(request, url)
        backend = await self._spdy_to(url, (PORT_FORWARD,))
        socket = await accept_websocket(request, TUNNEL)
        await splice(WebSocketStream(socket), backend.stream)
        return socket

    async def _pass_through(self, request: web.BaseRequest, url: str) -> web.StreamResponse:
        """The client speaks what the runtime speaks: SPDY, or v4 channels for a port-forward."""
        if not is_upgrade(request):
            raise Refusal(400, "unable to upgrade: missing upgrade headers in request")
        address, target = _address(url)
        headers = forwarded_headers(request, without=NOT_FOR_THE_RUNTIME)
        try:
            return await proxy_upgrade(request, address, target, headers, clock=self._clock)
        except OSError as error:
            raise Refusal(502, f"error dialing the container runtime: {error}") from error

    async def _spdy_to(self, url: str, versions: tuple[str, ...]) -> UpgradeAnswer:
        address, target = _address(url)
        headers = [("Connection", "Upgrade"), ("Upgrade", SPDY)]
        headers += [(STREAM_PROTOCOL_HEADER, version) for version in versions]
        try:
            answer = await request_upgrade(address, "POST", target, headers, clock=self._clock)
        except OSError as error:
            raise Refusal(502, f"error dialing the container runtime: {error}") from error
        if not answer.switched:
            raise Refusal(answer.status, answer.body.decode("utf-8", "replace"))
        return answer


async def _url(asking: Awaitable[str]) -> str:
    try:
        return await asking
    except CriError as error:
        raise Refusal(500, str(error)) from error


def _address(url: str) -> tuple[Address, str]:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Address(parts.hostname or "127.0.0.1", parts.port or 80), target


def _wanted(request: web.BaseRequest) -> Wanted:
    """The query says what to connect: `input=1&output=1&error=1&tty=1`."""
    query = request.query
    tty, stdin, stdout, stderr = (query.get(key) == "1" for key in ("tty", "input", "output", "error"))
    if not (stdin or stdout or stderr):
        raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
    return Wanted(stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
