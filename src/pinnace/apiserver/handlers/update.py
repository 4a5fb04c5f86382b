"""PUT of one object or of its status."""

from pinnace.api.resources import Resource
from pinnace.apiserver.bodies import decode_object
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.handlers.render import accepted_form, item_response
from pinnace.apiserver.negotiation import require_body_type
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, ITEM_FORMS)
    info, registry = request.info, request.services.registries.of(row.gvr)
    media = require_body_type(request.headers.get("Content-Type", ""), registry.body_types)
    ctx = write_context(request, "UpdateOptions")
    body = await request.read_body()
    request.services.metrics.body_read(request.info, len(body))
    obj = decode_object(body, media)
    item = await registry.update(info.name, info.namespace, obj, ctx, subresource=info.subresource, raw=body)
    return item_response(request, registry, item, accepted)
