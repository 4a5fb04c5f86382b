"""What this process has recorded: `/debug/pinnace/trace`, as the API server shows it of its own."""

from collections.abc import Iterable, Mapping

import orjson
from aiohttp import web

from pinnace.component.tracing import Tracer
from pinnace.kubelet.server.routing import Refusal, Route, route


class Debugging:
    def __init__(self, tracer: Tracer | None) -> None:
        self._tracer = tracer

    def routes(self) -> Iterable[Route]:
        return (route("GET", "/debug/pinnace/{page}", self._show),)

    async def _show(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        from pinnace.component.trace_page import show

        shown = show(self._tracer, (params["page"],), request.query) if self._tracer is not None else None
        if shown is None:
            raise Refusal(404, "404 page not found")
        return web.Response(body=orjson.dumps(shown), content_type="application/json")
