"""DELETE of one object."""

from typing import Any

from pinnace.api.resources import Resource
from pinnace.apiserver.bodies import OBJECT_TYPES, decode
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import delete_options, is_dry_run, write_context
from pinnace.apiserver.handlers.render import accepted_form, item_response
from pinnace.apiserver.negotiation import require_body_type
from pinnace.apiserver.registry.context import DeleteOptions
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.storage.item import Item

_RETURNS_OBJECT = frozenset(
    ("pods", "services", "serviceaccounts", "podtemplates", "persistentvolumes", "persistentvolumeclaims", "resourcequotas")
)  # fmt: skip


async def read_options(request: Request) -> tuple[DeleteOptions, bool]:
    """Delete options from body or query, and whether the body asks for a dry run."""
    body = await request.read_body()
    request.services.metrics.body_read(request.info, len(body))
    decoded: Any = None
    if body:
        decoded = decode(body, require_body_type(request.headers.get("Content-Type", ""), OBJECT_TYPES))
    return delete_options(request, decoded), is_dry_run(decoded)


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, ITEM_FORMS)
    ctx = write_context(request, "DeleteOptions")
    options, dry_run = await read_options(request)
    ctx.dry_run = ctx.dry_run or dry_run
    info, registry = request.info, request.services.registries.of(row.gvr)
    item, gone = await registry.delete(info.name, info.namespace, options, ctx)
    if gone and row.gvr.resource not in _RETURNS_OBJECT:
        return document(success(row, item), accepted)
    status = 202 if not gone and options.orphan_dependents is False else 200
    return item_response(request, registry, item, accepted, status)


def success(row: Resource, item: Item) -> dict[str, Any]:
    details = {"name": item.name, "group": row.gvr.group, "kind": row.gvr.resource}
    details["uid"] = item.obj["metadata"].get("uid", "")
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
