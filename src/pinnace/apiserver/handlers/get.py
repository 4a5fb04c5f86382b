"""GET of one object: the stored bytes, or a form made of them."""

from pinnace.api.resources import Resource
from pinnace.apiserver.handlers.render import accepted_form, item_response
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, ITEM_FORMS)
    registry = request.services.registries.of(row.gvr)
    item = await registry.storage.get(
        request.info.name, request.info.namespace, resource_version=request.param("resourceVersion")
    )
    return item_response(request, registry, item, accepted)
