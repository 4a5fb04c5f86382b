"""The `scale` subresource: `spec.replicas` of a workload seen as an autoscaling/v1 Scale."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pinnace.api import label_selectors
from pinnace.api.apiextensions.paths import read_path, write_path
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.gvk import GVK
from pinnace.apiserver.bodies import OBJECT_TYPES, decode_object
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.handlers.patch import check_options, decode_patch
from pinnace.apiserver.negotiation import EVERY, negotiate, require_body_type
from pinnace.apiserver.registry.base import check_applied_kind, check_name, private_copy
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Produce, Registry
from pinnace.apiserver.registry.patching import PATCH_TYPES, patcher
from pinnace.apiserver.request import Answer, Request
from pinnace.client.interface import APPLY_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH

Object = dict[str, Any]
SCALE = GVK("autoscaling", "v1", "Scale")
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
    ctx = write_context(request, "UpdateOptions")
    scale = decode_object(await request.read_body(), media)
    if scale.get("kind", "Scale") != "Scale":
        raise errors.BadRequest(f"the object provided is unrecognized: expected Scale, got {scale['kind']}")
    return await _change(request, request.services.registries.of(row.gvr), ctx, lambda _: scale)


async def handle_patch(request: Request, row: Resource) -> Answer:
    media = require_body_type(request.headers.get("Content-Type", ""), PATCH_TYPES)
    ctx = write_context(request, "PatchOptions")
    check_options(request, media)
    body = await request.read_body()
    if media == APPLY_PATCH:
        return await _apply(request, request.services.registries.of(row.gvr), ctx, body)
    body = decode_patch(body)
    if media == STRATEGIC_MERGE_PATCH:
        media = MERGE_PATCH  # a Scale has neither lists nor sets: both mean the same
    apply = patcher(None, media, body)

    def patched(current: Object) -> Object:
        result = apply(current)
        if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
            raise errors.BadRequest("the patch does not result in a Scale")
        return result

    return await _change(request, request.services.registries.of(row.gvr), ctx, patched)


async def _change(
    request: Request, registry: Registry, ctx: WriteContext, change: Callable[[Object], Object]
) -> Answer:
    paths, name = registry.scale_paths, request.info.name

    def produce(current: Object) -> Object:
        wanted = change(scale_of(current, paths))
        check_name(wanted, name)
        _check_uid(wanted, current, registry)
        return _scaled(current, wanted, paths)

    return await _store(request, registry, ctx, produce, applied=False)


def _check_uid(wanted: Object, current: Object, registry: Registry) -> None:
    given, uid = wanted["metadata"].get("uid"), current["metadata"]["uid"]
    if given and given != uid:
        gvr = registry.row.gvr
        why = f"Precondition failed: UID in precondition: {given}, UID in object meta: {uid}"
        raise errors.conflict(f"{gvr.resource}/scale", wanted["metadata"]["name"], why, gvr.group)


async def _apply(request: Request, registry: Registry, ctx: WriteContext, body: bytes) -> Answer:
    """Server-side apply of a Scale: who owns the replicas of the workload owns those of its Scale."""
    from pinnace.apimachinery.apply import scale as owners
    from pinnace.apimachinery.apply import server_side

    applied = decode_object(body, "application/yaml")
    check_applied_kind(applied, SCALE)
    schema = request.services.registries.schemas.for_gvk(SCALE)
    paths, version = registry.scale_paths, registry.row.gvr.api_version
    path = owners.path_of(paths["specReplicasPath"] if paths else ".spec.replicas")

    def produce(current: Object) -> Object:
        live, entries = scale_of(current, paths), current["metadata"].get("managedFields")
        live["metadata"]["managedFields"] = owners.to_scale(entries, path)
        merged = server_side.apply(
            live, applied, manager=ctx.manager, force=ctx.force, now=ctx.now, api_version=owners.SCALE_VERSION,
            subresource="scale", schema=schema,
        )  # fmt: skip
        check_name(merged, request.info.name)
        _check_uid(merged, current, registry)
        new = _scaled(current, merged, paths)
        kept = owners.to_parent(entries, merged["metadata"].get("managedFields"), version, path)
        new["metadata"]["managedFields"] = kept
        return new

    return await _store(request, registry, ctx, produce, applied=True)


async def _store(
    request: Request, registry: Registry, ctx: WriteContext, produce: Produce, *, applied: bool
) -> Answer:
    paths = registry.scale_paths
    item = await registry.change(
        request.info.name, request.info.namespace, produce, ctx, subresource="scale", applied=applied,
        view=(partial(scale_of, paths=paths), partial(_write_back, paths)),
    )  # fmt: skip
    shown = scale_of(item.obj, registry.scale_paths)
    return document(shown, negotiate(request.headers.get("Accept", ""), offered=EVERY))
