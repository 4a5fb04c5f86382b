"""The parameters of a binding: objects of the policy's paramKind, by name or by selector.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/generic/policy_dispatcher.go
"""

from collections.abc import Mapping
from typing import Any

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.gvk import parse_api_version
from pinnace.apiserver.admission.policies.source import Binding, Policy
from pinnace.apiserver.registry.catalog import Registries

Object = Mapping[str, Any]


class Misconfigured(Exception):
    """The policy or binding cannot be used as it is: its failurePolicy decides. `of_binding` tells whose fault it is."""

    def __init__(self, why: str, *, of_binding: bool = True) -> None:
        super().__init__(why)
        self.of_binding = of_binding


def row_of(registries: Registries, policy: Policy) -> Resource | None:
    """The resource of the paramKind, None when the policy has none; raises Misconfigured for one that is not served."""
    kind = policy.spec.get("paramKind")
    if kind is None:
        return None
    for row in registries.rows:
        if row.kind == kind.get("kind") and row.gvr.api_version == kind.get("apiVersion") and row.is_stored:
            return row
    group, version = parse_api_version(kind.get("apiVersion") or "")
    shown = f"{group}/{version}" if group else version
    raise Misconfigured(
        f"failed to find resource referenced by paramKind: '{shown}, Kind={kind.get('kind')}'",
        of_binding=False,
    )


async def collect(
    registries: Registries, row: Resource | None, binding: Binding, namespace: str
) -> list[Object | None]:
    """What to evaluate the policy with, one after the other; `[None]` when it is used without parameters."""
    reference = binding.spec.get("paramRef")
    if row is None or reference is None:
        return [None]
    if row.namespaced:
        namespace = reference.get("namespace") or namespace
        if not namespace:
            raise Misconfigured(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
    elif reference.get("namespace"):
        raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    else:
        namespace = ""
    found = await _find(registries, row, reference, namespace)
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return list(found)


async def _find(registries: Registries, row: Resource, reference: Object, namespace: str) -> list[Object]:
    registry = registries.of(row.gvr)
    if name := reference.get("name"):
        try:
            item = await registry.storage.get(name, namespace)
        except errors.NotFound:
            return []
        return [registry.served_object(item)]
    selector = selectors.from_label_selector(reference.get("selector") or {})
    await registry.storage.cache.load()
    return [
        registry.served_object(item)
        for item in registry.storage.cache.contents
        if (not namespace or item.obj["metadata"].get("namespace") == namespace)
        and selector.matches(item.obj["metadata"].get("labels") or {})
    ]
