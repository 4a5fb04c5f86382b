"""PATCH of one object or of its status: JSON patch, merge patch, strategic merge patch, server-side apply."""

from typing import Any

import orjson

from pinnace.api import fields
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.bodies import decode_object
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.handlers.render import accepted_form, item_response
from pinnace.apiserver.negotiation import require_body_type
from pinnace.apiserver.registry.patching import APPLY_TYPES
from pinnace.apiserver.representations import ITEM_FORMS
from pinnace.apiserver.request import Answer, Request


def check_options(request: Request, media: str) -> None:
    """What apply needs and other patches may not have. Raises Invalid."""
    if media in APPLY_TYPES:
        if not request.param("fieldManager"):
            found = fields.required("fieldManager", "is required for apply patch")
            raise errors.invalid("PatchOptions", "", [found], "meta.k8s.io")
    elif "force" in request.query:
        found = fields.forbidden("force", "may not be specified for non-apply patch")
        raise errors.invalid("PatchOptions", "", [found], "meta.k8s.io")


def decode_patch(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.BadRequest(f"error decoding patch: {error}") from error


def decode_configuration(body: bytes) -> dict[str, Any]:
    """What is applied: YAML or JSON."""
    try:
        return decode_object(body, "application/yaml")
    except errors.BadRequest as error:
        raise errors.BadRequest(f"error decoding YAML: {error}") from error


async def handle(request: Request, row: Resource) -> Answer:
    accepted = accepted_form(request, row, ITEM_FORMS)
    info, registry = request.info, request.services.registries.of(row.gvr)
    media = require_body_type(request.headers.get("Content-Type", ""), registry.patch_types)
    ctx = write_context(request, "PatchOptions")
    body = await request.read_body()
    check_options(request, media)
    request.services.metrics.body_read(request.info, len(body))
    if media in APPLY_TYPES:
        item, created = await registry.apply(
            info.name, info.namespace, decode_configuration(body), ctx, subresource=info.subresource, raw=body
        )
        return item_response(request, registry, item, accepted, 201 if created else 200)
    change = decode_patch(body)
    item = await registry.patch(
        info.name, info.namespace, media, change, ctx, subresource=info.subresource, raw=body
    )
    return item_response(request, registry, item, accepted)
