"""POST to a collection."""

from pinnace.api.resources import Resource
from pinnace.apiserver.bodies import decode_object
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.handlers.render import accepted_form, item_response
from pinnace.apiserver.negotiation import require_body_type
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, ITEM_FORMS)
    registry = request.services.registries.of(row.gvr)
    media = require_body_type(request.headers.get("Content-Type", ""), registry.body_types)
    ctx = write_context(request, "CreateOptions")
    body = await request.read_body()
    request.services.metrics.body_read(request.info, len(body))
    item = await registry.create(decode_object(body, media), request.info.namespace, ctx, raw=body)
    return item_response(request, registry, item, accepted, 201)
