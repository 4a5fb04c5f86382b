"""What a default role or binding lacks of what every cluster has. Pure.

Only additions: rules, subjects, labels and annotations that somebody added stay.
Rules: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation
"""

from typing import Any

from pinnace.apiserver.authz.escalation import uncovered

Object = dict[str, Any]
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"


def reconciled(current: Object, wanted: Object) -> Object | None:
    """The object to store in place of `current`; None when nothing is missing or nothing may be changed."""
    metadata = current["metadata"]
    if (metadata.get("annotations") or {}).get(AUTO_UPDATE) == "false":
        return None
    change: Object = {}
    added = {
        field: {**(metadata.get(field) or {}), **wanted["metadata"][field]}
        for field in ("labels", "annotations")
    }
    if any(added[field] != (metadata.get(field) or {}) for field in added):
        change["metadata"] = {**metadata, **added}
    if wanted.get("roleRef") != current.get("roleRef"):
        change["roleRef"] = wanted.get("roleRef")
    if "aggregationRule" in wanted:  # the rules are the aggregation controller's
        if missing := _missing_selectors(current, wanted):
            selectors = ((current.get("aggregationRule") or {}).get("clusterRoleSelectors")) or []
            change["aggregationRule"] = {"clusterRoleSelectors": [*selectors, *missing]}
    elif wanted.get("rules") != current.get("rules") and (
        rules := uncovered(current.get("rules") or (), wanted.get("rules") or ())
    ):
        change["rules"] = [*(current.get("rules") or ()), *map(dict, rules)]
    have = current.get("subjects") or []
    if subjects := [subject for subject in wanted.get("subjects") or () if subject not in have]:
        change["subjects"] = [*have, *subjects]
    return {**current, **change} if change else None


def _missing_selectors(current: Object, wanted: Object) -> list[Object]:
    have = (current.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    return [each for each in wanted["aggregationRule"]["clusterRoleSelectors"] if each not in have]
