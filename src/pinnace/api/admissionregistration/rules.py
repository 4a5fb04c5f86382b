"""Rules of webhooks and policies: which operations on which resources they want to see. Validation and matching, both pure.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/admissionregistration/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.gvk import GVR

Rule = Mapping[str, Any]
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")


def set_defaults(rule: dict[str, Any]) -> None:
    rule["scope"] = rule.get("scope") or "*"


def validate(rule: Rule, path: str) -> Iterator[Cause]:
    operations = rule.get("operations") or []
    if not operations:
        yield fields.required(f"{path}.operations")
    yield from _alone(operations, f"{path}.operations", "operations")
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            yield fields.not_supported(f"{path}.operations[{index}]", operation, OPERATIONS)
    groups, versions = rule.get("apiGroups") or [], rule.get("apiVersions") or []
    if not groups:
        yield fields.required(f"{path}.apiGroups")
    yield from _alone(groups, f"{path}.apiGroups", "API groups")
    if not versions:
        yield fields.required(f"{path}.apiVersions")
    yield from _alone(versions, f"{path}.apiVersions", "API versions")
    for index, version in enumerate(versions):
        if not version:
            yield fields.required(f"{path}.apiVersions[{index}]")
    yield from _validate_resources(rule.get("resources") or [], f"{path}.resources")
    if rule.get("scope") is not None and rule["scope"] not in SCOPES:
        yield fields.not_supported(f"{path}.scope", rule["scope"], SCOPES)


def _alone(values: Sequence[str], path: str, what: str) -> Iterator[Cause]:
    if len(values) > 1 and "*" in values:
        yield fields.invalid(path, values, f"if '*' is present, must not specify other {what}")


def _validate_resources(resources: Sequence[str], path: str) -> Iterator[Cause]:
    if not resources:
        yield fields.required(path)
    every_subresource: set[str] = set()  # x of x/*
    every_resource: set[str] = set()  # y of */y
    is_last_plain = False
    for index, entry in enumerate(resources):
        if not entry:
            yield fields.required(f"{path}[{index}]")
            continue
        resource, slash, sub = entry.partition("/")
        if not slash:
            is_last_plain = entry != "*"
            continue
        if resource in every_subresource:
            yield fields.invalid(
                f"{path}[{index}]", entry, f"if '{resource}/*' is present, must not specify {entry}"
            )
        if sub in every_resource:
            yield fields.invalid(
                f"{path}[{index}]", entry, f"if '*/{sub}' is present, must not specify {entry}"
            )
        if sub == "*":
            every_subresource.add(resource)
        if resource == "*":
            every_resource.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        yield fields.invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and is_last_plain:
        why = "if '*' is present, must not specify other resources without subresources"
        yield fields.invalid(path, resources, why)


def matches(rule: Rule, operation: str, gvr: GVR, subresource: str, namespace: str) -> bool:
    """`namespace` is that of the request, which for a Namespace is its own name."""
    return (
        _has(rule.get("operations"), operation)
        and _has(rule.get("apiGroups"), gvr.group)
        and _has(rule.get("apiVersions"), gvr.version)
        and any(_names(entry, gvr.resource, subresource) for entry in rule.get("resources") or ())
        and _in_scope(rule.get("scope") or "*", gvr, namespace)
    )


def _has(values: Sequence[str] | None, wanted: str) -> bool:
    return values is not None and (wanted in values or "*" in values)


def _names(entry: str, resource: str, subresource: str) -> bool:
    given, _, sub = entry.partition("/")
    return given in ("*", resource) and sub in ("*", subresource)


def _in_scope(scope: str, gvr: GVR, namespace: str) -> bool:
    is_cluster_wide = not namespace or gvr == GVR("", "v1", "namespaces")
    return scope == "*" or (scope == "Cluster") is is_cluster_wide
