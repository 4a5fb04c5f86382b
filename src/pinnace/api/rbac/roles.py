"""Roles and ClusterRoles: lists of rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, label_selectors, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

API_GROUP = "rbac.authorization.k8s.io"


class RoleStrategy(Strategy):
    """Of both: only a ClusterRole may speak of URLs and aggregate others."""

    allows_create_on_update = True

    def check_name(self, name: str) -> Sequence[str]:
        return names.path_segment(name)

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(self._validate_rules(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(self._validate_rules(new))

    def _validate_rules(self, obj: Object) -> Iterator[Cause]:
        for index, rule in enumerate(obj.get("rules") or ()):
            yield from _validate_rule(rule or {}, self.namespaced, f"rules[{index}]")
        aggregation = obj.get("aggregationRule")
        if aggregation is None:
            return
        chosen = aggregation.get("clusterRoleSelectors") or ()
        if not chosen:
            why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            yield fields.required("aggregationRule.clusterRoleSelectors", why)
        for index, selector in enumerate(chosen):
            yield from label_selectors.validate(selector, f"aggregationRule.clusterRoleSelectors[{index}]")


def _validate_rule(rule: Mapping[str, Any], namespaced: bool, path: str) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield fields.required(f"{path}.verbs", "verbs must contain at least one value")
    if urls := rule.get("nonResourceURLs"):
        if namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            yield fields.invalid(f"{path}.nonResourceURLs", urls, why)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield fields.invalid(f"{path}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield fields.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield fields.required(f"{path}.resources", "resource rules must supply at least one resource")
