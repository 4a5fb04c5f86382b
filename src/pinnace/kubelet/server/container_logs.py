"""`GET /containerLogs/{namespace}/{pod}/{container}`: what `kubectl logs` shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from pinnace.api import meta
from pinnace.client.interface import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.contracts import KubeletHost
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus, CriError
from pinnace.kubelet.server.log_lines import LogOptions, options_of
from pinnace.kubelet.server.log_reader import read_log
from pinnace.kubelet.server.routing import Refusal, Route, find_pod, route, spec_containers


class ContainerLogs:
    def __init__(self, host: KubeletHost, clock: Clock) -> None:
        self._host, self._clock = host, clock

    def routes(self) -> list[Route]:
        return [route("GET", "/containerLogs/{namespace}/{pod}/{container}", self._serve)]

    async def _serve(self, request: web.BaseRequest, params: Mapping[str, str]) -> web.StreamResponse:
        try:
            options = options_of(request.query, self._clock.now())
        except ValueError as error:
            raise Refusal(422, str(error)) from error
        pod = find_pod(self._host, params, f'pod "{params["pod"]}" does not exist')
        name = params["container"]
        if all(entry["name"] != name for entry in spec_containers(pod)):
            raise Refusal(404, f'container "{name}" not found in pod "{params["pod"]}"')
        status = self._host.pod_status(meta.uid(pod)) or pod.get("status")
        wanted = container_id(status, name, params["pod"], previous=options.previous)
        found = await self._find(pod, wanted)
        if found is None or not found.log_path:
            raise Refusal(400, f"unable to retrieve container logs for {wanted}")
        return await self._send(request, pod, found, options, wanted)

    async def _find(self, pod: Object, wanted: str) -> ContainerStatus | None:
        bare = wanted.rpartition("://")[2]
        for container in self._host.containers(meta.uid(pod)):
            if container.id == bare and container.log_path:
                return container
        try:
            return await self._host.runtime.container_status(bare)
        except CriError as error:
            if error.is_not_found:
                return None
            raise Refusal(500, str(error)) from error

    def _is_over(self, pod: Object, container_id: str) -> bool:
        for container in self._host.containers(meta.uid(pod)):
            if container.id == container_id:
                return container.state is ContainerState.EXITED
        return True

    async def _send(
        self,
        request: web.BaseRequest,
        pod: Object,
        container: ContainerStatus,
        options: LogOptions,
        wanted: str,
    ) -> web.StreamResponse:
        pieces = read_log(
            Path(container.log_path), options, self._clock, lambda: self._is_over(pod, container.id)
        )
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        try:
            async for piece in pieces:
                if not response.prepared:
                    await response.prepare(request)
                if request.transport is None:
                    break
                if piece:
                    await response.write(piece)
        except FileNotFoundError as error:
            raise Refusal(400, f"unable to retrieve container logs for {wanted}") from error
        except ConnectionError:
            pass  # the client left
        finally:
            await pieces.aclose()
        if not response.prepared:
            await response.prepare(request)
        return response


def container_id(status: Object | None, name: str, pod_name: str, *, previous: bool) -> str:
    """The container whose log is meant, by the pod's status; Refusal 400 in upstream's words when there is none."""
    entry = _entry(status, name)
    if entry is None:
        raise Refusal(400, f'container "{name}" in pod "{pod_name}" is not available')
    last = ((entry.get("lastState") or {}).get("terminated") or {}).get("containerID", "")
    if previous:
        if not last:
            raise Refusal(400, f'previous terminated container "{name}" in pod "{pod_name}" not found')
        return last
    state = entry.get("state") or {}
    if "running" in state:
        return entry["containerID"]
    if "terminated" in state:
        if found := state["terminated"].get("containerID") or last:
            return found
        raise Refusal(400, f'container "{name}" in pod "{pod_name}" is terminated')
    if last:
        return last
    raise Refusal(400, f'container "{name}" in pod "{pod_name}" {_waiting_text(state.get("waiting"))}')


def _entry(status: Object | None, name: str) -> dict[str, Any] | None:
    for group in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in (status or {}).get(group) or ():
            if entry.get("name") == name:
                return entry
    return None


def _waiting_text(waiting: dict[str, Any] | None) -> str:
    if waiting is None:
        return "is waiting to start - no logs yet"
    match waiting.get("reason", ""):
        case "ErrImagePull":
            return "is waiting to start: image can't be pulled"
        case "ImagePullBackOff":
            return "is waiting to start: trying and failing to pull image"
        case reason:
            return f"is waiting to start: {reason}"
