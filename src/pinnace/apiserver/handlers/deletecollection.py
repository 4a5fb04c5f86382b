"""DELETE of a collection: every object that the selectors match, each as a delete of its own."""

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.handlers.delete import read_options
from pinnace.apiserver.handlers.options import list_options, scope_of, write_context
from pinnace.apiserver.handlers.render import accepted_form, list_response
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.storage.options import ListResult


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row)
    ctx = write_context(request, "DeleteOptions")
    options, dry_run = await read_options(request)
    ctx.dry_run = ctx.dry_run or dry_run
    registry = request.services.registries.of(row.gvr)
    scope = scope_of(request, request.info.namespace, registry.strategy)
    found = await registry.storage.list(list_options(request, scope))
    deleted = []
    for item in found.items:
        try:
            deleted.append((await registry.delete(item.name, item.namespace, options, ctx))[0])
        except errors.NotFound:
            continue
    return await list_response(request, registry, ListResult(deleted, found.resource_version), accepted)
