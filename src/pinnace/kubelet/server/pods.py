"""`/pods` and `/runningpods`: the kubelet's own view of its pods, as PodLists; `/run`: a command without streams."""

import shlex
from collections.abc import Mapping

import orjson
from aiohttp import web

from pinnace.api import meta
from pinnace.client.interface import Object
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerState, CriError
from pinnace.kubelet.server.routing import Refusal, Route, find_pod, route


class Pods:
    def __init__(self, host: KubeletHost) -> None:
        self._host = host

    def routes(self) -> list[Route]:
        run = "/run/{namespace}/{pod}"
        return [
            route("GET", "/pods", self._pods),
            route("GET", "/runningpods", self._running),
            route("POST", f"{run}/{{container}}", self._run),
            route("POST", f"{run}/{{uid}}/{{container}}", self._run),
        ]

    async def _pods(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        return _list([self._with_status(pod) for pod in self._host.pods])

    def _with_status(self, pod: Object) -> Object:
        status = self._host.pod_status(meta.uid(pod))
        return {**pod, "status": status} if status is not None else pod

    async def _running(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        found = []
        for pod in self._host.pods:
            running = [
                {"name": container.name, "image": container.image, "resources": {}}
                for container in self._host.containers(meta.uid(pod))
                if container.state is ContainerState.RUNNING
            ]
            if running:
                metadata = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
                found.append({"metadata": metadata, "spec": {"containers": running}, "status": {}})
        return _list(found)

    async def _run(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        """`?cmd=...` (blanks separate the words) or `?command=a&command=b`; output and errors in one text."""
        pod = find_pod(self._host, params, "pod does not exist")
        container = self._host.container(meta.uid(pod), params["container"])
        if container is None or container.state is not ContainerState.RUNNING:
            raise Refusal(500, f'container not found ("{params["container"]}")')
        query = request.query
        command = query.getall("command", []) or shlex.split(query.get("cmd", ""))
        try:
            done = await self._host.runtime.exec_sync(container.id, command, 0)
        except CriError as error:
            raise Refusal(500, str(error)) from error
        if done.exit_code:
            raise Refusal(
                500, f"command '{' '.join(command)}' exited with {done.exit_code}: {done.stderr.decode()}"
            )
        return web.Response(body=done.stdout + done.stderr, content_type="text/plain")


def _list(items: list[Object]) -> web.Response:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    return web.Response(body=orjson.dumps(body), content_type="application/json")
