"""Finds the handler of a request: by verb and subresource, or by path when it names no resource."""

from collections.abc import Awaitable, Callable
from importlib import import_module

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.handlers import nonresource
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.request_info import RequestInfo

ResourceHandler = Callable[[Request, Resource], Awaitable[Answer]]

_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def _load(where: str) -> ResourceHandler:
    module, _, function = where.partition(":")
    handler: ResourceHandler = getattr(import_module(f"pinnace.apiserver.{module}"), function or "handle")
    return handler


class Dispatcher:
    """Handlers are imported at first use, so that a server starts with the few that it needs."""

    def __init__(self) -> None:
        self._loaded: dict[str, ResourceHandler] = {}

    async def __call__(self, request: Request) -> Answer:
        info = request.info
        aggregator = request.services.aggregator
        if (service := aggregator.delegate(request)) is not None:
            return await aggregator.serve(request, service)
        if not info.is_resource:
            return await nonresource.serve(request)
        row = request.services.registries.row(info.gvr)
        if row is None and info.group:
            await request.services.custom_resources.catch_up()
            row = request.services.registries.row(info.gvr)
        if row is None:
            raise no_such_resource()
        _check_place(row, info)
        if row.deprecation:
            request.warnings.append(row.deprecation)
        return await self._handler(row, info)(request, row)

    def _handler(self, row: Resource, info: RequestInfo) -> ResourceHandler:
        where = _where(row, info)
        if where not in self._loaded:
            self._loaded[where] = _load(where)
        return self._loaded[where]


def no_such_resource() -> errors.NotFound:
    return errors.NotFound("the server could not find the requested resource")


def not_allowed() -> errors.MethodNotSupported:
    return errors.MethodNotSupported("the server does not allow this method on the requested resource")


def _check_place(row: Resource, info: RequestInfo) -> None:
    """A namespaced resource lives under a namespace, any other does not; a Namespace is under itself alone.

    Authorization has judged by the namespace of the path: what is elsewhere must not be reached through it.
    """
    if row.namespaced:
        if not info.namespace and info.verb not in ("list", "watch"):
            raise no_such_resource() if info.name_in_path else not_allowed()
    elif info.namespace and (row.gvr.resource != "namespaces" or info.name != info.namespace):
        raise no_such_resource()


_SPECIAL = {
    ("pods", "log"): "subresources.log:handle",
    ("pods", "exec"): "subresources.streams:handle_exec",
    ("pods", "attach"): "subresources.streams:handle_attach",
    ("pods", "portforward"): "subresources.streams:handle_portforward",
    ("pods", "proxy"): "subresources.proxy:handle_pod",
    ("services", "proxy"): "subresources.proxy:handle_service",
    ("nodes", "proxy"): "subresources.proxy:handle_node",
    ("pods", "binding"): "registry.binding:handle",
    ("pods", "eviction"): "registry.eviction:handle",
    ("serviceaccounts", "token"): "registry.tokens:handle",
    ("namespaces", "finalize"): "registry.namespaces:handle_finalize",
    ("componentstatuses", ""): "registry.component_status:handle",
    ("bindings", ""): "registry.binding:handle_collection",
}


def _where(row: Resource, info: RequestInfo) -> str:
    """`module:function` below `pinnace.apiserver`; raises when the resource has no such verb or subresource."""
    sub = info.subresource
    if sub:
        found = row.subresource(sub)
        if found is None:
            raise no_such_resource()
        if info.verb not in found.verbs and not (
            sub == "proxy" and not info.verb
        ):  # OPTIONS is passed on too
            raise not_allowed()
        if found.kind == "Scale":
            return f"registry.scale:handle_{info.verb}"
    elif info.verb not in row.verbs:
        if row.revision and info.verb == "create":
            raise errors.MethodNotSupported(
                "create not allowed while custom resource definition is terminating"
            )
        raise not_allowed()
    special = _SPECIAL.get((row.gvr.resource, sub)) if not row.gvr.group else None
    if special is not None:
        return special
    if not sub and not row.is_stored:
        return f"registry.reviews:{row.gvr.resource}"
    if not sub and row.gvr.group == "metrics.k8s.io":
        return f"registry.resource_metrics:{'get' if info.verb == 'get' else 'list_all'}"
    return f"handlers.{info.verb}:handle"
