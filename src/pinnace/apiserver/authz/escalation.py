"""Nobody grants by RBAC what they do not hold: do some rules cover others? Pure.

Semantics: https://github.com/kubernetes/component-helpers/blob/master/auth/rbac/validation/policy_comparator.go
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from pinnace.apiserver.authz.rules import ALL, Rule, contains


def uncovered(held: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The single permissions of `wanted` that no rule of `held` gives."""
    owned = list(held)
    return [
        single
        for rule in wanted
        for single in _singles(rule)
        if not any(_covers(own, single) for own in owned)
    ]


def _singles(rule: Rule) -> Iterator[Rule]:
    verbs = rule.get("verbs") or ()
    names = rule.get("resourceNames") or (None,)
    for verb, group, resource, name in product(
        verbs, rule.get("apiGroups") or (), rule.get("resources") or (), names
    ):
        single: dict[str, Any] = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
        yield {**single, "resourceNames": [name]} if name is not None else single
    for verb, url in product(verbs, rule.get("nonResourceURLs") or ()):
        yield {"verbs": [verb], "nonResourceURLs": [url]}


def _covers(own: Rule, single: Rule) -> bool:
    if not contains(own.get("verbs"), single["verbs"][0]):
        return False
    if "nonResourceURLs" in single:
        return any(
            _url_covers(pattern, single["nonResourceURLs"][0]) for pattern in own.get("nonResourceURLs") or ()
        )
    names = own.get("resourceNames")
    return (
        contains(own.get("apiGroups"), single["apiGroups"][0])
        and _resource_covered(own.get("resources") or (), single["resources"][0])
        and (not names or ("resourceNames" in single and single["resourceNames"][0] in names))
    )


def _resource_covered(values: Any, wanted: str) -> bool:
    if ALL in values or wanted in values:
        return True
    _, slash, subresource = wanted.partition("/")
    return bool(slash) and f"*/{subresource}" in values


def _url_covers(pattern: str, url: str) -> bool:
    return pattern in (ALL, url) or (pattern.endswith("*") and url.startswith(pattern.rstrip("*")))


def described(rule: Rule) -> str:
    """`{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`, as upstream prints a rule in its refusal."""
    parts = (
        ("NonResourceURLs", "nonResourceURLs"), ("APIGroups", "apiGroups"), ("Resources", "resources"),
        ("ResourceNames", "resourceNames"), ("Verbs", "verbs"),
    )  # fmt: skip
    shown = [f"{title}:[{', '.join(_quoted(v) for v in rule[key])}]" for title, key in parts if rule.get(key)]
    return "{" + ", ".join(shown) + "}"


def _quoted(text: str) -> str:
    return f'"{text}"'
