"""The `scale` subresource: `spec.replicas` of a workload seen as an autoscaling/v1 Scale."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pinnace.api import label_selectors
from pinnace.api.apiextensions.paths import read_path, write_path
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


def scale_of(obj: Object, paths: Mapping[str, str] | None = None) -> Object:
    """`paths` are those of a custom resource; what is at home in a workload needs none."""
    if paths is not None:
        return _custom_scale(obj, paths)
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    shown: Object = {"replicas": status.get("replicas", 0)}
    selector = selectors.to_text(label_selectors.of(obj))
    if selector:
        shown["selector"] = selector
    return _scale(obj, spec.get("replicas", 1), shown)


def _custom_scale(obj: Object, paths: Mapping[str, str]) -> Object:
    replicas, wanted = read_path(obj, paths["statusReplicasPath"]), read_path(obj, paths["specReplicasPath"])
    shown: Object = {"replicas": replicas if isinstance(replicas, int) else 0}
    selector = read_path(obj, paths["labelSelectorPath"]) if paths.get("labelSelectorPath") else None
    if isinstance(selector, str) and selector:
        shown["selector"] = selector
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise errors.InternalError(
            f'Internal error occurred: the spec replicas field "{paths["specReplicasPath"]}" cannot be empty'
        )
    return _scale(obj, wanted, shown)


def _scale(obj: Object, replicas: int, shown: Object) -> Object:
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in _IDENTITY if key in obj["metadata"]},
        "spec": {"replicas": replicas},
        "status": shown,
    }


def _scaled(obj: Object, scale: Object, paths: Mapping[str, str] | None = None) -> Object:
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
    write_path(new, paths["specReplicasPath"] if paths else ".spec.replicas", replicas)
    new["metadata"]["resourceVersion"] = scale["metadata"].get("resourceVersion", "")
    return new


def _write_back(paths: Mapping[str, str] | None, obj: Object, scale: Object) -> None:
    """What admission made of the Scale."""
    path = paths["specReplicasPath"] if paths else ".spec.replicas"
    if (scale.get("spec") or {}).get("replicas", 0) != scale_of(obj, paths)["spec"]["replicas"]:
        write_path(obj, path, read_path(_scaled(obj, scale, paths), path))


async def handle_get(request: Request, row: Resource) -> Answer:
    registry = request.services.registries.of(row.gvr)
    item = await registry.storage.get(request.info.name, request.info.namespace)
    shown = scale_of(item.obj, registry.scale_paths)
    return document(shown, negotiate(request.headers.get("Accept", ""), offered=EVERY))


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

    paths = registry.scale_paths
    show = partial(scale_of, paths=paths)

    def produce(current: Object) -> Object:
        return _scaled(current, change(show(current)), paths)

    item = await registry.change(
        request.info.name, request.info.namespace, produce, ctx, subresource="scale",
        view=(show, partial(_write_back, paths)),
    )  # fmt: skip
    shown = scale_of(item.obj, registry.scale_paths)
    return document(shown, negotiate(request.headers.get("Accept", ""), offered=EVERY))
