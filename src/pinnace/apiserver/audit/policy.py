"""The audit policy (audit.k8s.io/v1 Policy): the first rule that matches a request gives its level. Pure after reading.

Semantics: https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#audit-policy
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.config_files import ConfigFileError, load_config_file, reject_unknown
from pinnace.apiserver.request_info import RequestInfo

LEVELS = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_RULE_FIELDS = (
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages",
    "omitManagedFields",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    level: str
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def at_least(self, level: str) -> bool:
        return LEVELS.index(self.level) >= LEVELS.index(level)


NOT_AUDITED = Verdict("None")


@dataclass(frozen=True, slots=True)
class GroupResources:
    group: str
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def matches(self, info: RequestInfo) -> bool:
        if self.group != info.group:
            return False
        if not self.resources:
            return True
        if self.names and info.name not in self.names:
            return False
        full = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        return any(self._covers(pattern, full, info) for pattern in self.resources)

    @staticmethod
    def _covers(pattern: str, full: str, info: RequestInfo) -> bool:
        if pattern in ("*", full):
            return True
        if pattern.startswith("*/"):
            return bool(info.subresource) and pattern[2:] == info.subresource
        return pattern.endswith("/*") and bool(info.subresource) and pattern[:-2] == info.resource


@dataclass(frozen=True, slots=True)
class Rule:
    verdict: Verdict
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def matches(self, user: User, info: RequestInfo) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and not set(self.groups) & set(user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return info.is_resource and self._matches_resource(info)
        if self.urls:
            return not info.is_resource and any(_covers_url(pattern, info.path) for pattern in self.urls)
        return True

    def _matches_resource(self, info: RequestInfo) -> bool:
        if self.namespaces and info.namespace not in self.namespaces:
            return False
        return not self.resources or any(each.matches(info) for each in self.resources)


def _covers_url(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


@dataclass(frozen=True, slots=True)
class Policy:
    rules: tuple[Rule, ...]

    def verdict(self, user: User, info: RequestInfo) -> Verdict:
        return next((rule.verdict for rule in self.rules if rule.matches(user, info)), NOT_AUDITED)


def load_policy(path: Path) -> Policy:
    """Raises ConfigFileError."""
    content = load_config_file(path, "Policy", ("audit.k8s.io/v1",))
    reject_unknown(
        path,
        "policy",
        content,
        ("kind", "apiVersion", "metadata", "rules", "omitStages", "omitManagedFields"),
    )
    rules = content.get("rules") or []
    if not rules:
        raise ConfigFileError(path, "loaded illegal policy with 0 rules")
    everywhere = _stages(path, "omitStages", content)
    omit = bool(content.get("omitManagedFields"))
    return Policy(tuple(_rules(path, rules, everywhere, omit)))


def _rules(path: Path, rules: list[Any], everywhere: frozenset[str], omit: bool) -> Iterator[Rule]:
    for number, body in enumerate(rules):
        where = f"rules[{number}]"
        reject_unknown(path, where, body, _RULE_FIELDS)
        level = body.get("level", "")
        if level not in LEVELS:
            supported = ", ".join(f'"{each}"' for each in LEVELS)
            raise ConfigFileError(
                path, f'{where}.level: Unsupported value: "{level}": supported values: {supported}'
            )
        if body.get("nonResourceURLs") and (body.get("resources") or body.get("namespaces")):
            raise ConfigFileError(path, f"{where}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and non-resource URLs")  # fmt: skip
        own = body.get("omitManagedFields")
        verdict = Verdict(
            level, everywhere | _stages(path, f"{where}.omitStages", body), omit if own is None else bool(own)
        )
        yield Rule(
            verdict, _texts(body, "users"), _texts(body, "userGroups"), _texts(body, "verbs"),
            tuple(_resources(body)), _texts(body, "namespaces"), _texts(body, "nonResourceURLs"),
        )  # fmt: skip


def _resources(body: dict[str, Any]) -> Iterator[GroupResources]:
    for entry in body.get("resources") or ():
        yield GroupResources(
            entry.get("group") or "", _texts(entry, "resources"), _texts(entry, "resourceNames")
        )


def _texts(body: dict[str, Any], field: str) -> tuple[str, ...]:
    return tuple(map(str, body.get(field) or ()))


def _stages(path: Path, where: str, body: dict[str, Any]) -> frozenset[str]:
    stages = _texts(body, "omitStages")
    for stage in stages:
        if stage not in STAGES:
            supported = ", ".join(f'"{each}"' for each in STAGES)
            raise ConfigFileError(
                path, f'{where}: Unsupported value: "{stage}": supported values: {supported}'
            )
    return frozenset(stages)
