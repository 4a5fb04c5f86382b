"""Which policies and bindings a request concerns: selectors, excluded and included rules, names, other versions (matchPolicy).

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/matching/matching.go
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pinnace.api import resources as r
from pinnace.api.admissionregistration import rules
from pinnace.api.resources import Resource
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.concerned import (
    equivalents,
    namespace_of,
    selects_namespace,
    selects_object,
)
from pinnace.apiserver.admission.policies.source import Resources
from pinnace.apiserver.registry.catalog import Registries

Rule = Mapping[str, Any]
_EXEMPT = frozenset(
    [
        r.MUTATING_ADMISSION_POLICIES,
        r.MUTATING_ADMISSION_POLICY_BINDINGS,
        r.VALIDATING_ADMISSION_POLICIES,
        r.VALIDATING_ADMISSION_POLICY_BINDINGS,
    ]
)


def is_exempt(admission: Admission) -> bool:
    """Policies cannot keep policies from being changed."""
    return admission.resource.gvr in _EXEMPT


class Matcher:
    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def match(self, resources: Resources | None, admission: Admission) -> Resource | None:
        """The resource as which the request matched, None when it does not.

        Raises NotFound when a selector asks for a namespace that is missing.
        """
        if resources is None:
            return admission.resource
        if not selects_object(resources.object_selector, admission):
            return None
        if self._matched(resources.excluded, resources, admission) is not None:
            return None
        found = (
            self._matched(resources.rules, resources, admission) if resources.rules else admission.resource
        )
        if found is None or not await selects_namespace(
            self._registries, resources.namespace_selector, admission
        ):
            return None
        return found

    def _matched(self, given: Sequence[Rule], resources: Resources, admission: Admission) -> Resource | None:
        named = [
            rule for rule in given if not rule.get("resourceNames") or admission.name in rule["resourceNames"]
        ]
        if not named:
            return None
        row, namespace = admission.resource, namespace_of(admission)
        candidates = [row] if resources.is_exact else [row, *equivalents(self._registries, row)]
        for candidate in candidates:
            for rule in named:
                if rules.matches(rule, admission.operation, candidate.gvr, admission.subresource, namespace):
                    return candidate
        return None
