"""Binding a pod to a node: `pods/NAME/binding`, and the older `bindings`."""

from typing import Any

from pinnace.api import resources as r
from pinnace.api.core.bindings import validate_pod_binding
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.admission.bodies import judge, review
from pinnace.apiserver.bodies import OBJECT_TYPES, decode_object
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.negotiation import EVERY, negotiate, require_body_type
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome, Preconditions

Object = dict[str, Any]
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def handle(request: Request, row: Resource) -> Answer:
    return await _bind_from(request, row, request.info.name)


async def handle_collection(request: Request, row: Resource) -> Answer:
    return await _bind_from(request, row, "")


async def _bind_from(request: Request, row: Resource, name: str) -> Answer:
    accepted = negotiate(request.headers.get("Accept", ""), offered=EVERY)
    media = require_body_type(request.headers.get("Content-Type", ""), OBJECT_TYPES)
    binding = decode_object(await request.read_body(), media)
    given = binding["metadata"].get("name", "")
    if name and given and given != name:
        raise errors.BadRequest("name in URL does not match name in Binding object")
    ctx = write_context(request)
    await review(request, row, binding, ctx, name=name or given)
    await bind(request.services.registries, name or given, request.info.namespace, binding, ctx)
    return document(SUCCESS, accepted, 201)


async def bind_in_process(
    registries: Registries, row: Resource, name: str, namespace: str, binding: Object, ctx: WriteContext
) -> Item:
    """The same without a request: `binding` is changed."""
    if binding["metadata"].get("name", name) != name:
        raise errors.BadRequest("name in URL does not match name in Binding object")
    await judge(registries.admission, row, "CREATE", binding, ctx, namespace, name, "binding")
    return await bind(registries, name, namespace, binding, ctx)


async def bind(registries: Registries, name: str, namespace: str, binding: Object, ctx: WriteContext) -> Item:
    """Write the node into the pod, once; raises Conflict when it has one or is going away."""
    causes = validate_pod_binding(binding)
    if causes:
        raise errors.invalid("Binding", name, causes)
    storage = registries.of(r.PODS).storage

    async def transform(item: Item) -> Object | Outcome:
        pod = item.obj
        why = _refusal(pod)
        if why:
            raise errors.conflict("pods/binding", name, why)
        return Outcome.KEEP if ctx.dry_run else _bound(pod, binding, format_time(ctx.now))

    uid = binding["metadata"].get("uid", "")
    return await storage.update(name, namespace, transform, preconditions=Preconditions(uid) if uid else None)


def _refusal(pod: Object) -> str:
    name, spec = pod["metadata"]["name"], pod["spec"]
    if "deletionTimestamp" in pod["metadata"]:
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    if spec.get("schedulingGates"):
        return f"pod {name} has non-empty .spec.schedulingGates"
    return ""


def _bound(pod: Object, binding: Object, now: str) -> Object:
    metadata = dict(pod["metadata"])
    for field in ("annotations", "labels"):
        if binding["metadata"].get(field):
            metadata[field] = {**(metadata.get(field) or {}), **binding["metadata"][field]}
    status = {**(pod.get("status") or {})}
    status.pop("nominatedNodeName", None)  # it has a node now
    others = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    if "generation" in metadata:
        scheduled["observedGeneration"] = metadata["generation"]
    return {
        **pod,
        "metadata": metadata,
        "spec": {**pod["spec"], "nodeName": binding["target"]["name"]},
        "status": {**status, "conditions": [*others, scheduled]},
    }
