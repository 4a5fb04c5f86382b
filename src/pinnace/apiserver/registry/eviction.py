"""`pods/NAME/eviction`: a delete that asks the pod's disruption budget first.

Rules and words: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/pod/storage/eviction.go
"""

from typing import Any

from pinnace.api import resources as r
from pinnace.api.core import pods
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.admission.bodies import review
from pinnace.apiserver.bodies import OBJECT_TYPES, decode_object
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import delete_options, is_dry_run, write_context
from pinnace.apiserver.negotiation import EVERY, negotiate, require_body_type
from pinnace.apiserver.registry.binding import SUCCESS
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListOptions, Outcome, Preconditions
from pinnace.apiserver.storage.scope import Scope

Object = dict[str, Any]
_VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget."
_MOST_DISRUPTED = 2000
_NEVER_COUNTED = ("Succeeded", "Failed", "Pending")


async def handle(request: Request, row: Resource) -> Answer:
    accepted = negotiate(request.headers.get("Accept", ""), offered=EVERY)
    media = require_body_type(request.headers.get("Content-Type", ""), OBJECT_TYPES)
    eviction = decode_object(await request.read_body(), media)
    name = eviction["metadata"].setdefault("name", request.info.name)
    if name != request.info.name:
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    ctx = write_context(request)
    options = delete_options(request, eviction.get("deleteOptions"))
    ctx.dry_run = ctx.dry_run or is_dry_run(eviction.get("deleteOptions"))
    await review(request, row, eviction, ctx, name=name)
    await evict(request.services.registries, name, request.info.namespace, options, ctx)
    return document(SUCCESS, accepted, 201)


async def evict(
    registries: Registries, name: str, namespace: str, options: DeleteOptions, ctx: WriteContext
) -> None:
    registry = registries.of(r.PODS)
    pod = (await registry.storage.get(name, namespace)).obj
    if not _is_never_counted(pod):
        await _ask_budget(registries, pod, ctx)
        if not ctx.dry_run:
            await _announce(registries, pod, ctx)
    await registry.delete(name, namespace, options, ctx, admitted=True)


def _is_never_counted(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in _NEVER_COUNTED or "deletionTimestamp" in pod["metadata"]


async def _ask_budget(registries: Registries, pod: Object, ctx: WriteContext) -> None:
    """Count the eviction in the one budget that selects the pod; raises TooManyRequests when there is no room."""
    storage = registries.of(r.POD_DISRUPTION_BUDGETS).storage
    found = (await storage.list(ListOptions(Scope(pod["metadata"]["namespace"])))).items
    budgets = [item for item in found if _selects(item.obj, pod)]
    if len(budgets) > 1:
        raise errors.InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not budgets:
        return

    async def transform(item: Item) -> Object | Outcome:
        if not pods.is_ready(pod) and _lets_unhealthy_go(item.obj):
            return Outcome.KEEP
        counted = _counted(item.obj, pod["metadata"]["name"], format_time(ctx.now))
        return Outcome.KEEP if ctx.dry_run else counted

    await storage.update(budgets[0].name, budgets[0].namespace, transform)


def _selects(budget: Object, pod: Object) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    return selectors.from_label_selector(selector).matches(pod["metadata"].get("labels") or {})


def _lets_unhealthy_go(budget: Object) -> bool:
    status = budget.get("status") or {}
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    wanted = status.get("desiredHealthy", 0)
    return bool(wanted > 0 and status.get("currentHealthy", 0) >= wanted)


def _counted(budget: Object, pod_name: str, now: str) -> Object:
    metadata, status = budget["metadata"], budget.get("status") or {}
    name, allowed = metadata["name"], status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _violation(f"The disruption budget {name} is still being processed by the server.")
    if allowed < 0:
        raise errors.forbidden("poddisruptionbudgets", name, "pdb disruptions allowed is negative", "policy")
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > _MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise errors.forbidden("poddisruptionbudgets", name, why, "policy")
    if allowed == 0:
        raise _violation(
            f"The disruption budget {name} needs {status.get('desiredHealthy', 0)} healthy pods "
            f"and has {status.get('currentHealthy', 0)} currently"
        )
    changed = {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": {**disrupted, pod_name: now}}
    return {**budget, "status": changed}


def _violation(cause: str) -> errors.TooManyRequests:
    return errors.TooManyRequests(_VIOLATION, causes=(Cause("DisruptionBudget", cause),))


async def _announce(registries: Registries, pod: Object, ctx: WriteContext) -> None:
    """The condition DisruptionTarget tells controllers why the pod goes."""

    async def transform(item: Item) -> Object | Outcome:
        status = item.obj.get("status") or {}
        others = [c for c in status.get("conditions") or () if c.get("type") != "DisruptionTarget"]
        condition = {
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastProbeTime": None, "lastTransitionTime": format_time(ctx.now),
        }  # fmt: skip
        return {**item.obj, "status": {**status, "conditions": [*others, condition]}}

    metadata = pod["metadata"]
    await registries.of(r.PODS).storage.update(
        metadata["name"], metadata["namespace"], transform, preconditions=Preconditions(metadata["uid"])
    )
