"""PATCH of one object or of its status: JSON patch, merge patch, strategic merge patch, server-side apply."""

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.bodies import decode, decode_object
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.handlers.render import accepted_form, item_response
from pinnace.apiserver.negotiation import require_body_type
from pinnace.apiserver.registry.patching import APPLY_TYPES
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, ITEM_FORMS)
    info, registry = request.info, request.services.registries.of(row.gvr)
    media = require_body_type(request.headers.get("Content-Type", ""), registry.patch_types)
    ctx = write_context(request, "PatchOptions")
    body = await request.read_body()
    request.services.metrics.body_read(request.info, len(body))
    if media in APPLY_TYPES:
        if not request.param("fieldManager"):
            cause = errors.Cause(
                "FieldValueRequired", "Required value: is required for apply patch", "fieldManager"
            )
            raise errors.invalid("PatchOptions", "", [cause], "meta.k8s.io")
        obj = decode_object(body, "application/yaml")
        item, created = await registry.apply(
            info.name, info.namespace, obj, ctx, subresource=info.subresource
        )
        return item_response(request, registry, item, accepted, 201 if created else 200)
    if ctx.force:
        cause = errors.Cause(
            "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force"
        )
        raise errors.invalid("PatchOptions", "", [cause], "meta.k8s.io")
    change = decode(body, media)
    item = await registry.patch(info.name, info.namespace, media, change, ctx, subresource=info.subresource)
    return item_response(request, registry, item, accepted)
