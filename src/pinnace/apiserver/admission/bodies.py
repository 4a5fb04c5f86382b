"""Admission of bodies that no registry stores: Binding, Eviction, TokenRequest, reviews, and the options of a connection."""

from typing import Any

from pinnace.api.resources import Resource
from pinnace.apiserver.admission.attributes import Admission, Operation
from pinnace.apiserver.admission.chain import Chain
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.request import Request

Object = dict[str, Any]


async def review(request: Request, row: Resource, body: Object, ctx: WriteContext, *, name: str = "") -> None:
    """A body that is created at a subresource or a review: plugins may change it, or refuse by raising."""
    await _review(request, row, "CREATE", body, ctx, name or request.info.name)


async def connect(request: Request, row: Resource, **fields: Any) -> Object:
    """The options of a connection (PodExecOptions, ServiceProxyOptions, ...) as plugins leave them."""
    ctx = WriteContext(
        request.user, request.services.clock.now(), warnings=request.warnings, annotations=request.audit_annotations
    )  # fmt: skip
    sub = row.subresource(request.info.subresource)
    assert sub is not None
    options = {"kind": sub.kind, "apiVersion": "v1"}
    options |= {key: value for key, value in fields.items() if value not in (None, "", False, [], ())}
    await _review(request, row, "CONNECT", options, ctx, request.info.name)
    return options


async def _review(
    request: Request, row: Resource, operation: Operation, body: Object, ctx: WriteContext, name: str
) -> None:
    info = request.info
    await judge(request.services.registries.admission, row, operation, body, ctx, info.namespace, name, info.subresource)  # fmt: skip


async def judge(
    chain: Chain, row: Resource, operation: Operation, body: Object, ctx: WriteContext, namespace: str, name: str,
    subresource: str,
) -> None:  # fmt: skip
    """The same for a body that came without a request."""
    admission = Admission(
        operation, row, ctx.user, ctx.now, namespace, name, subresource, body, None, ctx.dry_run, ctx.options,
        ctx.warn, ctx.annotate,
    )  # fmt: skip
    await chain.review(admission)
