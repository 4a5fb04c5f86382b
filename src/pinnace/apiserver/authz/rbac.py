"""RBAC over the stored roles and bindings: who may do what, and which rules somebody has.

The policy is an index built from the four RBAC storages and rebuilt when one of them changed; decisions are remembered until
then. Upstream's resolver: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/rbac/validation/rule.go
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from pinnace.apiserver.authn.user import MASTERS, User
from pinnace.apiserver.authz.attributes import NO_OPINION, Attributes, Decision
from pinnace.apiserver.authz.rules import Rule, allows, asks_for_name

Object = Mapping[str, Any]
_REMEMBERED = 20_000


class Policy(NamedTuple):
    """All RBAC objects at one moment."""

    cluster_roles: list[Any]
    roles: list[Any]
    cluster_role_bindings: list[Any]
    role_bindings: list[Any]


class PolicySource(Protocol):
    async def load(self) -> None:
        """Be current; costs nothing when it is."""
        ...

    def version(self) -> object:
        """Equal to an earlier answer exactly when no RBAC object changed since."""
        ...

    def policy(self) -> Policy: ...


class Grant(NamedTuple):
    rules: tuple[Rule, ...]
    origin: str  # `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`


class Authorizer(Protocol):
    async def authorize(self, attributes: Attributes) -> Decision: ...

    async def rules_of(self, user: User, namespace: str) -> list[Rule]: ...

    def unresolved(self, user: User) -> str:
        """Why `rules_of` does not tell all that this user may do; "" when it does."""
        ...


class AlwaysAllow:
    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(True)

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        return [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ]

    def unresolved(self, user: User) -> str:
        return ""


class RbacAuthorizer:
    def __init__(self, source: PolicySource) -> None:
        self._source = source
        self._version: object = object()
        self._grants: dict[tuple[str, str, str], list[Grant]] = {}
        self._decisions: dict[Attributes, Decision] = {}
        self._nameless: dict[tuple[object, ...], Decision] = {}  # those that hold for any name
        self.allowed = 0  # questions that it answered with yes

    async def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS in attributes.user.groups:
            return Decision(True)
        await self._refresh()
        question = (
            attributes.user, attributes.verb, attributes.group, attributes.resource, attributes.subresource,
            attributes.namespace, attributes.path, attributes.is_resource,
        )  # fmt: skip
        found = self._nameless.get(question) or self._decisions.get(attributes)
        if found is None:
            found, depends_on_name = self._decide(attributes)
            if depends_on_name:
                _keep(self._decisions, attributes, found)
            else:
                _keep(self._nameless, question, found)
        self.allowed += found.allowed
        return found

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        await self._refresh()
        return [rule for grant in self._grants_of(user, namespace) for rule in grant.rules]

    def unresolved(self, user: User) -> str:
        return ""

    def _decide(self, attributes: Attributes) -> tuple[Decision, bool]:
        """The decision, and whether it may be another one for another name."""
        by_name = False
        for grant in self._grants_of(attributes.user, attributes.namespace):
            by_name = by_name or any(asks_for_name(rule, attributes) for rule in grant.rules)
            if any(allows(rule, attributes) for rule in grant.rules):
                return Decision(True, f"RBAC: allowed by {grant.origin}"), by_name
        return NO_OPINION, by_name

    def _grants_of(self, user: User, namespace: str) -> Iterator[Grant]:
        spaces = ("", namespace) if namespace else ("",)
        for space in spaces:
            for subject in _subjects_of(user):
                yield from self._grants.get((space, *subject), ())

    async def _refresh(self) -> None:
        await self._source.load()
        version = self._source.version()
        if version != self._version:
            self._grants = build_index(self._source.policy())
            self._decisions.clear()
            self._nameless.clear()
            self._version = version


def _keep(decisions: dict[Any, Decision], question: object, decision: Decision) -> None:
    if len(decisions) >= _REMEMBERED:
        decisions.clear()
    decisions[question] = decision


def _subjects_of(user: User) -> Iterator[tuple[str, str]]:
    yield "User", user.name
    for group in user.groups:
        yield "Group", group


def build_index(policy: Policy) -> dict[tuple[str, str, str], list[Grant]]:
    """(namespace of the binding or "", subject kind, subject name) -> grants. A service account is its user name."""
    cluster_roles = {role["metadata"]["name"]: role for role in policy.cluster_roles}
    roles = {(role["metadata"]["namespace"], role["metadata"]["name"]): role for role in policy.roles}
    index: dict[tuple[str, str, str], list[Grant]] = defaultdict(list)
    for binding in (*policy.cluster_role_bindings, *policy.role_bindings):
        space = binding["metadata"].get("namespace", "")
        reference = binding.get("roleRef") or {}
        named = reference.get("name", "")
        role = (
            cluster_roles.get(named) if reference.get("kind") == "ClusterRole" else roles.get((space, named))
        )
        if role is None:
            continue
        rules = tuple(role.get("rules") or ())
        for subject in binding.get("subjects") or ():
            key = _subject_key(subject, space)
            index[space, *key].append(Grant(rules, _origin(binding, space, reference, subject)))
    return dict(index)


def _subject_key(subject: Object, binding_namespace: str) -> tuple[str, str]:
    if subject.get("kind") == "ServiceAccount":
        space = subject.get("namespace") or binding_namespace
        return "User", f"system:serviceaccount:{space}:{subject.get('name', '')}"
    return str(subject.get("kind", "")), str(subject.get("name", ""))


def _origin(binding: Object, space: str, reference: Object, subject: Object) -> str:
    kind = "RoleBinding" if space else "ClusterRoleBinding"
    name = binding["metadata"]["name"]
    full = f"{name}/{space}" if space else name
    holder = subject.get("name", "")
    if subject.get("kind") == "ServiceAccount":
        holder = f"{holder}/{subject.get('namespace') or space}"
    return (
        f'{kind} "{full}" of {reference.get("kind")} "{reference.get("name")}" '
        f'to {subject.get("kind")} "{holder}"'
    )
