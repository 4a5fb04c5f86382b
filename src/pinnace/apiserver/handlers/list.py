"""GET of a collection."""

from pinnace.api.resources import Resource
from pinnace.apiserver.handlers.options import list_options, scope_of
from pinnace.apiserver.handlers.render import accepted_form, list_response
from pinnace.apiserver.representations import LIST_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, LIST_FORMS)
    registry = request.services.registries.of(row.gvr)
    scope = scope_of(request, request.info.namespace, registry.strategy)
    result = await registry.storage.list(list_options(request, scope))
    return await list_response(request, registry, result, accepted)
