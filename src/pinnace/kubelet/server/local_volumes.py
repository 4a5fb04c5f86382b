"""`/localVolumes/NAME`: the directory of a volume of the class `local-path` on this node, made by POST and removed by DELETE.

Ours alone: upstream's provisioner starts a pod for each. The provisioner asks through the API server's proxy to nodes, learns
where the directory is, and names no other than those below this one place.
"""

import asyncio
import re
from collections.abc import Mapping

import orjson
from aiohttp import web

from pinnace.component import volume_directory
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.server.routing import Refusal, Route, route

NAME = re.compile(r"pvc-[A-Za-z0-9._-]{1,251}\Z")


class LocalVolumes:
    def __init__(self, host: KubeletHost) -> None:
        self._host = host

    def routes(self) -> list[Route]:
        return [route("POST DELETE", "/localVolumes/{name}", self._handle)]

    async def _handle(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        root = self._host.config.local_volumes
        if root is None:
            raise Refusal(404, "404 page not found")
        if not NAME.match(params["name"]):
            raise Refusal(400, f"{params['name']!r} is no name of a local volume")
        directory = root / params["name"]
        change = volume_directory.make if request.method == "POST" else volume_directory.remove
        try:
            await asyncio.to_thread(change, directory)
        except OSError as error:
            raise Refusal(500, str(error)) from error
        body = orjson.dumps({"path": str(directory)})
        return web.Response(body=body, content_type="application/json")
