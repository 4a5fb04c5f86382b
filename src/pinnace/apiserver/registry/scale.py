"""The `scale` subresource: `spec.replicas` of a workload seen as an autoscaling/v1 Scale."""

from typing import Any

from pinnace.api import label_selectors
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.bodies import OBJECT_TYPES, decode, decode_object
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.negotiation import EVERY, negotiate, require_body_type
from pinnace.apiserver.registry.base import private_copy
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.registry.patching import PATCH_TYPES, patcher
from pinnace.apiserver.request import Answer, Request
from pinnace.client.interface import APPLY_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH

Object = dict[str, Any]
_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    shown: Object = {"replicas": status.get("replicas", 0)}
    selector = selectors.to_text(label_selectors.of(obj))
    if selector:
        shown["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in _IDENTITY if key in obj["metadata"]},
        "spec": {"replicas": spec.get("replicas", 1)},
        "status": shown,
    }


def _scaled(obj: Object, scale: Object) -> Object:
    """A copy of the workload with the replicas and the resourceVersion of the Scale."""
    spec = scale.get("spec") or {}
    if not isinstance(spec, dict):
        raise errors.BadRequest("json: cannot unmarshal into Go struct field Scale.spec of type v1.ScaleSpec")
    replicas = spec.get("replicas", 0)
    name = obj["metadata"]["name"]
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise errors.BadRequest(
            "json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        cause = Cause(
            "FieldValueInvalid",
            f"Invalid value: {replicas}: must be greater than or equal to 0",
            "spec.replicas",
        )
        raise errors.invalid("Scale", name, [cause], "autoscaling")
    if replicas > 2**31 - 1:
        raise errors.BadRequest(
            f"json: cannot unmarshal number {replicas} into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    new = private_copy(obj)
    new["spec"]["replicas"] = replicas
    new["metadata"]["resourceVersion"] = scale["metadata"].get("resourceVersion", "")
    return new


def _write_back(obj: Object, scale: Object) -> None:
    """What admission made of the Scale."""
    if (scale.get("spec") or {}).get("replicas", 0) != obj["spec"].get("replicas", 1):
        obj["spec"]["replicas"] = _scaled(obj, scale)["spec"]["replicas"]


async def handle_get(request: Request, row: Resource) -> Answer:
    registry = request.services.registries.of(row.gvr)
    item = await registry.storage.get(request.info.name, request.info.namespace)
    return document(scale_of(item.obj), negotiate(request.headers.get("Accept", ""), offered=EVERY))


async def handle_update(request: Request, row: Resource) -> Answer:
    media = require_body_type(request.headers.get("Content-Type", ""), OBJECT_TYPES)
    scale = decode_object(await request.read_body(), media)
    if scale.get("kind", "Scale") != "Scale":
        raise errors.BadRequest(f"the object provided is unrecognized: expected Scale, got {scale['kind']}")
    return await _change(request, request.services.registries.of(row.gvr), lambda _: scale)


async def handle_patch(request: Request, row: Resource) -> Answer:
    media = require_body_type(request.headers.get("Content-Type", ""), PATCH_TYPES)
    body = decode(await request.read_body(), media)
    if media in (APPLY_PATCH, STRATEGIC_MERGE_PATCH):
        media = MERGE_PATCH  # a Scale has neither lists nor sets: all three mean the same
    apply = patcher(None, media, body)

    def patched(current: Object) -> Object:
        result = apply(current)
        if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
            raise errors.BadRequest("the patch does not result in a Scale")
        return result

    return await _change(request, request.services.registries.of(row.gvr), patched)


async def _change(request: Request, registry: Registry, change: Any) -> Answer:
    ctx = write_context(request, "UpdateOptions")

    def produce(current: Object) -> Object:
        return _scaled(current, change(scale_of(current)))

    item = await registry.change(
        request.info.name, request.info.namespace, produce, ctx, subresource="scale", view=(scale_of, _write_back)
    )  # fmt: skip
    return document(scale_of(item.obj), negotiate(request.headers.get("Accept", ""), offered=EVERY))
