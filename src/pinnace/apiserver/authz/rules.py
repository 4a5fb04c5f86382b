"""Matching one RBAC PolicyRule against a request. Pure.

Semantics: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/rbac/v1/evaluation_helpers.go
"""

from collections.abc import Mapping
from typing import Any

from pinnace.apiserver.authz.attributes import Attributes

Rule = Mapping[str, Any]
ALL = "*"


def allows(rule: Rule, attributes: Attributes) -> bool:
    if not contains(rule.get("verbs"), attributes.verb):
        return False
    if attributes.is_resource:
        return _allows_resource(rule, attributes)
    return any(_path_matches(pattern, attributes.path) for pattern in rule.get("nonResourceURLs") or ())


def asks_for_name(rule: Rule, attributes: Attributes) -> bool:
    """Whether this rule allows the request to some names only."""
    return bool(
        attributes.is_resource
        and rule.get("resourceNames")
        and contains(rule.get("verbs"), attributes.verb)
        and contains(rule.get("apiGroups"), attributes.group)
        and _resource_matches(rule.get("resources") or (), attributes.resource, attributes.subresource)
    )


def _allows_resource(rule: Rule, attributes: Attributes) -> bool:
    return (
        contains(rule.get("apiGroups"), attributes.group)
        and _resource_matches(rule.get("resources") or (), attributes.resource, attributes.subresource)
        and (not rule.get("resourceNames") or attributes.name in rule["resourceNames"])
    )


def contains(values: Any, wanted: str) -> bool:
    return bool(values) and (wanted in values or ALL in values)


def _resource_matches(values: Any, resource: str, subresource: str) -> bool:
    if ALL in values:
        return True
    if not subresource:
        return resource in values
    return f"{resource}/{subresource}" in values or f"*/{subresource}" in values


def _path_matches(pattern: str, path: str) -> bool:
    if pattern in (ALL, path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))
