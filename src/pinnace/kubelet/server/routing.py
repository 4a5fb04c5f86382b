"""From method and path to the handler, and refusals as the kubelet words them (plain text, not a Status)."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from pinnace.client.interface import Object
from pinnace.kubelet.contracts import KubeletHost

Handler = Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """The answer is this status with this text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is a pattern such as `/exec/{namespace}/{pod}/{container}`."""

    methods: frozenset[str]
    path: str
    handler: Handler


def route(methods: str, path: str, handler: Handler) -> Route:
    """`methods` are separated by blanks."""
    return Route(frozenset(methods.split()), path, handler)


class Router:
    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [
            (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", one.path) + "/?"), one) for one in routes
        ]

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]]:
        """Raises Refusal 404 or 405."""
        status = 404
        for pattern, one in self._routes:
            if match := pattern.fullmatch(path):
                if method in one.methods:
                    return one.handler, match.groupdict()
                status = 405
        raise Refusal(status, "404 page not found" if status == 404 else "405: Method Not Allowed")


def find_pod(host: KubeletHost, params: Mapping[str, str], missing: str) -> Object:
    """The pod that the path names; Refusal 404 with `missing` when there is none, or its uid differs."""
    pod = host.pods.by_name(params["namespace"], params["pod"])
    if pod is None or ("uid" in params and params["uid"] != pod["metadata"]["uid"]):
        raise Refusal(404, missing)
    return pod


def spec_containers(pod: Object) -> list[dict[str, Any]]:
    """Containers of every sort, as the spec lists them."""
    spec = pod["spec"]
    return [
        entry
        for group in ("initContainers", "containers", "ephemeralContainers")
        for entry in spec.get(group) or ()
    ]
