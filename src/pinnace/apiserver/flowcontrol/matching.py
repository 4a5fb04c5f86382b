"""Which FlowSchema a request belongs to, and which flow within it. Pure.

Rules: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/ and
https://github.com/kubernetes/apiserver/blob/master/pkg/util/flowcontrol/rule.go
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.request_info import RequestInfo

Object = dict[str, Any]
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Schema:
    """One FlowSchema, ready to be asked."""

    name: str
    uid: str
    level: str
    distinguisher: str  # "ByUser", "ByNamespace" or ""
    rules: tuple[Object, ...]

    def matches(self, user: User, info: RequestInfo) -> bool:
        return any(_rule_matches(rule, user, info) for rule in self.rules)

    def flow(self, user: User, info: RequestInfo) -> str:
        if self.distinguisher == "ByUser":
            return user.name
        return info.namespace if self.distinguisher == "ByNamespace" else ""


def read(obj: Object) -> Schema:
    spec, metadata = obj.get("spec") or {}, obj["metadata"]
    return Schema(
        metadata["name"],
        metadata.get("uid", ""),
        (spec.get("priorityLevelConfiguration") or {}).get("name", ""),
        (spec.get("distinguisherMethod") or {}).get("type", ""),
        tuple(spec.get("rules") or ()),
    )


def in_order(objects: Iterable[Object]) -> list[Schema]:
    """As requests try them: by precedence, then by name."""

    def rank(obj: Object) -> tuple[int, str]:
        return (obj.get("spec") or {}).get("matchingPrecedence", 1000), obj["metadata"]["name"]

    return [read(obj) for obj in sorted(objects, key=rank)]


def _rule_matches(rule: Object, user: User, info: RequestInfo) -> bool:
    if not any(_subject_matches(subject, user) for subject in rule.get("subjects") or ()):
        return False
    if info.is_resource:
        return any(_resource_matches(each, info) for each in rule.get("resourceRules") or ())
    return any(_path_matches(each, info) for each in rule.get("nonResourceRules") or ())


def _subject_matches(subject: Object, user: User) -> bool:
    match subject.get("kind"):
        case "User":
            name = (subject.get("user") or {}).get("name", "")
            return name in ("*", user.name)
        case "Group":
            name = (subject.get("group") or {}).get("name", "")
            return name == "*" or name in user.groups
        case "ServiceAccount":
            account = subject.get("serviceAccount") or {}
            prefix = f"{_SERVICE_ACCOUNT}{account.get('namespace', '')}:"
            return user.name.startswith(prefix) and account.get("name") in (
                "*",
                user.name.removeprefix(prefix),
            )
    return False


def _has(wanted: Sequence[str] | None, value: str) -> bool:
    return bool(wanted) and wanted is not None and ("*" in wanted or value in wanted)


def _resource_matches(rule: Object, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (
        _has(rule.get("verbs"), info.verb)
        and _has(rule.get("apiGroups"), info.group)
        and _has(rule.get("resources"), resource)
    ):
        return False
    return _has(rule.get("namespaces"), info.namespace) if info.namespace else bool(rule.get("clusterScope"))


def _path_matches(rule: Object, info: RequestInfo) -> bool:
    if not _has(rule.get("verbs"), info.verb):
        return False
    for pattern in rule.get("nonResourceURLs") or ():
        if pattern in ("*", info.path) or (pattern.endswith("*") and info.path.startswith(pattern[:-1])):
            return True
    return False
