"""Which webhooks a request concerns: rules, the resource's other versions (matchPolicy), selectors, match conditions.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/generic/webhook.go
"""

from dataclasses import dataclass
from typing import Any

from pinnace.api.admissionregistration import rules
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.concerned import (
    equivalents,
    namespace_of,
    selects_namespace,
    selects_object,
)
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


class Selection:
    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def of(self, hook: Hook, admission: Admission) -> Invocation | None:
        """None when the webhook is not concerned. Raises NotFound when a selector asks for a namespace that is missing, Forbidden when match conditions cannot be
        evaluated."""
        seen_as = self._seen_as(hook, admission)
        if seen_as is None or not selects_object(hook.object_selector, admission):
            return None
        if not await selects_namespace(self._registries, hook.namespace_selector, admission):
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


def _matches(hook: Hook, row: Resource, admission: Admission, namespace: str) -> bool:
    return any(
        rules.matches(rule, admission.operation, row.gvr, admission.subresource, namespace)
        for rule in hook.rules
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
