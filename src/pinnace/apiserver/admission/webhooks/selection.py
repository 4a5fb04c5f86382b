"""Which webhooks a request concerns: rules, the resource's other versions (matchPolicy), selectors, match conditions.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/generic/webhook.go
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api import resources as r
from pinnace.api.admissionregistration import rules
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.webhooks.configurations import Hook
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
_EXEMPT_GROUP = "admissionregistration.k8s.io"


class FailedConditions(Exception):
    """Match conditions that could not be evaluated: the webhook's failurePolicy decides."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A webhook to call, and the resource as which it wants to see the object."""

    hook: Hook
    seen_as: Resource


def is_exempt(admission: Admission) -> bool:
    """Webhooks and policies cannot keep their own configuration from being changed."""
    return admission.resource.gvr.group == _EXEMPT_GROUP


def namespace_of(admission: Admission) -> str:
    """Of the request; for a Namespace its own name, as upstream."""
    if not admission.namespace and admission.resource.gvr == r.NAMESPACES:
        return admission.name
    return admission.namespace


class Selection:
    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def of(self, hook: Hook, admission: Admission) -> Invocation | None:
        """None when the webhook is not concerned. Raises NotFound when a selector asks for a namespace that is missing, Forbidden when match conditions cannot be
        evaluated."""
        seen_as = self._seen_as(hook, admission)
        if seen_as is None or not _selects_object(hook, admission):
            return None
        if not await self._selects_namespace(hook, admission):
            return None
        invocation = Invocation(hook, seen_as)
        if not hook.spec.get("matchConditions"):
            return invocation
        try:
            return invocation if await conditions_hold(self._registries, invocation, admission) else None
        except FailedConditions as error:
            if hook.ignores_failure:
                return None
            raise refused(admission, error) from error

    def _seen_as(self, hook: Hook, admission: Admission) -> Resource | None:
        namespace, row = namespace_of(admission), admission.resource
        if _matches(hook, row, admission, namespace):
            return row
        if hook.spec.get("matchPolicy") == "Exact":
            return None
        for rule in hook.rules:
            for other in equivalents(self._registries, row):
                if rules.matches(rule, admission.operation, other.gvr, admission.subresource, namespace):
                    return other
        return None

    async def _selects_namespace(self, hook: Hook, admission: Admission) -> bool:
        namespace, is_namespace = namespace_of(admission), admission.resource.gvr == r.NAMESPACES
        if (not namespace and not is_namespace) or hook.namespace_selector.is_everything:
            return True
        if is_namespace and not admission.subresource and admission.object is not None:
            return hook.namespace_selector.matches(_labels(admission.object))
        item = await self._registries.of(r.NAMESPACES).storage.get(namespace)
        return hook.namespace_selector.matches(_labels(item.obj))


def equivalents(registries: Registries, row: Resource) -> list[Resource]:
    """Other resources that show the same stored objects."""
    own = _objects_of(row)
    return [other for other in registries.rows if other.gvr != row.gvr and _objects_of(other) == own]


def _objects_of(row: Resource) -> object:
    """What tells the stored objects behind a resource: versions of one kind share them."""
    if row.stored_version:
        return row.storage
    return row.view_of or row.gvr


def _matches(hook: Hook, row: Resource, admission: Admission, namespace: str) -> bool:
    return any(
        rules.matches(rule, admission.operation, row.gvr, admission.subresource, namespace)
        for rule in hook.rules
    )


def _labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def _selects_object(hook: Hook, admission: Admission) -> bool:
    """The new or the old object; what has no metadata (the options of a connection) has no labels to select."""
    selector = hook.object_selector
    if selector.is_everything:
        return True
    return any(
        obj is not None and "metadata" in obj and selector.matches(_labels(obj))
        for obj in (admission.object, admission.old)
    )


async def conditions_hold(registries: Registries, invocation: Invocation, admission: Admission) -> bool:
    """Raises FailedConditions in upstream's words when they cannot be evaluated and none is false."""
    from pinnace.apiserver.admission.policies import evaluation

    inputs = evaluation.Inputs(registries, admission)
    values = await inputs.values(invocation.seen_as, None)
    try:
        return await evaluation.conditions_hold(inputs, invocation.hook.conditions, values)
    except evaluation.Failed as error:
        raise FailedConditions(str(error)) from error


def refused(admission: Admission, why: FailedConditions) -> errors.Forbidden:
    gvr = admission.resource.gvr
    return errors.forbidden(gvr.resource, admission.name, str(why), gvr.group)
