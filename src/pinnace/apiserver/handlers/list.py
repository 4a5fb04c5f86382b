"""GET of a collection."""

from pinnace.api.resources import Resource
from pinnace.apiserver.handlers.options import list_options, scope_of
from pinnace.apiserver.handlers.render import list_response
from pinnace.apiserver.negotiation import negotiate
from pinnace.apiserver.representations import LIST_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = negotiate(request.headers.get("Accept", ""), forms=LIST_FORMS)
    registry = request.services.registries.of(row.gvr)
    scope = scope_of(request, request.info.namespace, registry.strategy)
    result = await registry.storage.list(list_options(request, scope))
    return list_response(request, registry, result, accepted)
