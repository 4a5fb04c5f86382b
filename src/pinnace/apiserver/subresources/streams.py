"""exec, attach and port-forward: the client's upgrade repeated at the kubelet, and raw bytes both ways."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.bodies import connect
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.refusal import refusal
from pinnace.apiserver.handlers.options import boolean
from pinnace.apiserver.request import Answer, Request, UpgradeResponse
from pinnace.apiserver.subresources import containers
from pinnace.net.upgrade import forwarded_headers, proxy_upgrade

Object = dict[str, Any]
PRIVATE_HEADERS = (
    "Authorization",
    "Impersonate-",
    "X-Forwarded-For",
)
_STREAMS = (
    ("stdin", "input"),
    ("stdout", "output"),
    ("stderr", "error"),
    ("tty", "tty"),
)  # ours, the kubelet's


async def _authorize(request: Request) -> None:
    """A WebSocket comes as GET, but opening a stream is a create: whoever may only `get` must not run commands."""
    if request.info.verb == "create":
        return
    asked = Attributes.of(request.user, replace(request.info, verb="create"))
    decision = await request.services.authorizer.authorize(asked)
    if not decision.allowed:
        raise refusal(asked, decision.reason)


async def handle_exec(request: Request, row: Resource) -> Answer:
    if not request.query.get("command"):
        raise _required("PodExecOptions", "command")
    await _authorize(request)
    options = await _options(request, row, command=request.query["command"])
    commands = [("command", word) for word in options.get("command") or ()]
    return await _container_stream(request, row, "exec", options, commands)


async def handle_attach(request: Request, row: Resource) -> Answer:
    await _authorize(request)
    return await _container_stream(request, row, "attach", await _options(request, row), [])


async def _options(request: Request, row: Resource, **more: Any) -> Object:
    """PodExecOptions or PodAttachOptions of the query, as admission leaves them."""
    streams = {ours: boolean(request, ours) for ours, _ in _STREAMS}
    return await connect(request, row, **streams, container=request.param("container"), **more)


async def handle_portforward(request: Request, row: Resource) -> Answer:
    await _authorize(request)
    info = request.info
    listed = ",".join(request.query.get("ports", ())).split(",")
    numbers = [int(port) for port in listed if port.isascii() and port.isdigit()]
    await connect(request, row, ports=numbers)
    node = await _node_of(request, row)
    ports = [("port", port) for port in listed if port]
    return _upgrade(request, node, f"/portForward/{info.namespace}/{info.name}", ports)


async def _container_stream(
    request: Request, row: Resource, verb: str, options: Object, query: list[tuple[str, str]]
) -> Answer:
    info = request.info
    pod = (await request.services.registries.of(row.gvr).storage.get(info.name, info.namespace)).obj
    container = containers.choose(pod, options.get("container") or "")
    streams = [(theirs, "1") for ours, theirs in _STREAMS if options.get(ours)]
    if not any(name != "tty" for name, _ in streams):
        raise errors.BadRequest("must specify at least one of stdin, stdout, stderr")
    node = _assigned(pod)
    path = f"/{verb}/{info.namespace}/{info.name}/{container}"
    return _upgrade(request, node, path, [*query, *streams])


async def _node_of(request: Request, row: Resource) -> str:
    info = request.info
    return _assigned(
        (await request.services.registries.of(row.gvr).storage.get(info.name, info.namespace)).obj
    )


def _assigned(pod: dict) -> str:
    node: str = pod["spec"].get("nodeName") or ""
    if not node:
        raise errors.BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return node


def _required(kind: str, field: str) -> errors.Invalid:
    return errors.invalid(kind, "", [errors.Cause("FieldValueRequired", "Required value", field)])


def _upgrade(request: Request, node: str, path: str, query: list[tuple[str, str]]) -> Answer:
    if "upgrade" not in request.headers.get("Connection", "").lower():
        raise errors.BadRequest("Upgrade request required")
    target = f"{path}?{urlencode(query)}" if query else path

    async def serve(http: web.BaseRequest) -> web.StreamResponse:
        address = await request.services.kubelets.address(node)
        headers = forwarded_headers(http, without=PRIVATE_HEADERS)
        return await proxy_upgrade(http, address, target, headers)

    return UpgradeResponse(serve)
