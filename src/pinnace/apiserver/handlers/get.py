"""GET of one object: the stored bytes, or a form made of them."""

from pinnace.api.resources import Resource
from pinnace.apiserver.handlers.render import item_response
from pinnace.apiserver.negotiation import negotiate
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = negotiate(request.headers.get("Accept", ""), forms=ITEM_FORMS)
    registry = request.services.registries.of(row.gvr)
    item = await registry.storage.get(
        request.info.name, request.info.namespace, resource_version=request.param("resourceVersion")
    )
    return item_response(request, registry, item, accepted)
