"""`/healthz` and `/configz`: is the kubelet alive, and with which settings."""

from collections.abc import Mapping

import orjson
from aiohttp import web

from pinnace.kubelet import configuration
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.server.routing import Route, route


class Health:
    def __init__(self, host: KubeletHost) -> None:
        self._host = host

    def routes(self) -> list[Route]:
        return [
            route("GET HEAD", "/healthz", self._healthz),
            route("GET HEAD", "/healthz/ping", self._healthz),
            route("GET", "/configz", self._configz),
        ]

    async def _healthz(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _configz(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        body = {"kubeletconfig": configuration.shown(self._host.config)}
        return web.Response(body=orjson.dumps(body), content_type="application/json")
