from typing import Any

import pytest

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.rbac import Policy, RbacAuthorizer
from pinnace.apiserver.authz.rules import allows

JANE = User("jane", ("dev", "system:authenticated"))


class Fixed:
    """A policy source whose version says how often it was changed."""

    def __init__(self, policy: Policy) -> None:
        self.changes, self._policy = 0, policy

    async def load(self) -> None:
        return None

    def version(self) -> object:
        return self.changes

    def policy(self) -> Policy:
        return self._policy


def role(name: str, *rules: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": list(rules),
    }


def binding(kind: str, name: str, *subjects: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    return {
        **role("b", namespace=namespace),
        "roleRef": {"kind": kind, "name": name},
        "subjects": list(subjects),
    }


READ_PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}
JANE_SUBJECT = {"kind": "User", "name": "jane"}


def ask(
    verb: str, resource: str = "pods", namespace: str = "n", user: User = JANE, **more: str
) -> Attributes:
    return Attributes(user, verb, True, resource=resource, namespace=namespace, **more)


@pytest.mark.parametrize(
    ("rule", "attributes", "wanted"),
    [
        (READ_PODS, ask("get"), True),
        (READ_PODS, ask("delete"), False),
        (READ_PODS, ask("get", "secrets"), False),
        (READ_PODS, ask("get", subresource="log"), False),
        ({**READ_PODS, "resources": ["pods/log"]}, ask("get", subresource="log"), True),
        ({**READ_PODS, "resources": ["*/log"]}, ask("get", subresource="log"), True),
        (
            {**READ_PODS, "resources": ["*"], "verbs": ["*"], "apiGroups": ["*"]},
            ask("x", "y", group="z"),
            True,
        ),
        ({**READ_PODS, "resourceNames": ["a"]}, ask("get", name="a"), True),
        ({**READ_PODS, "resourceNames": ["a"]}, ask("get", name="b"), False),
        ({**READ_PODS, "resourceNames": ["a"]}, ask("list"), False),
    ],
)
def test_a_rule_allows(rule: dict[str, Any], attributes: Attributes, wanted: bool) -> None:
    assert allows(rule, attributes) is wanted


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"), [("*", "/x", True), ("/a/*", "/a/b", True), ("/a", "/a/b", False)]
)
def test_non_resource_urls(pattern: str, path: str, wanted: bool) -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": [pattern]}
    assert allows(rule, Attributes(JANE, "get", False, path=path)) is wanted


async def test_a_role_binding_counts_in_its_namespace_only() -> None:
    policy = Policy(
        [], [role("r", READ_PODS, namespace="n")], [], [binding("Role", "r", JANE_SUBJECT, namespace="n")]
    )
    authorizer = RbacAuthorizer(Fixed(policy))
    decision = await authorizer.authorize(ask("get"))
    assert decision.allowed
    assert decision.reason == 'RBAC: allowed by RoleBinding "b/n" of Role "r" to User "jane"'
    assert not (await authorizer.authorize(ask("get", namespace="other"))).allowed
    assert not (await authorizer.authorize(ask("get", namespace=""))).allowed


async def test_groups_and_service_accounts_are_subjects() -> None:
    account = {"kind": "ServiceAccount", "name": "a", "namespace": "n"}
    for subject, user in (
        ({"kind": "Group", "name": "dev"}, JANE),
        (account, User("system:serviceaccount:n:a")),
    ):
        policy = Policy([role("r", READ_PODS)], [], [binding("ClusterRole", "r", subject)], [])
        assert (await RbacAuthorizer(Fixed(policy)).authorize(ask("list", user=user))).allowed


async def test_a_change_of_policy_is_seen_at_once() -> None:
    source = Fixed(Policy([role("r", READ_PODS)], [], [], []))
    authorizer = RbacAuthorizer(source)
    assert not (await authorizer.authorize(ask("get"))).allowed
    source.policy().cluster_role_bindings.append(binding("ClusterRole", "r", JANE_SUBJECT))
    source.changes += 1
    assert (await authorizer.authorize(ask("get"))).allowed


async def test_masters_may_do_everything() -> None:
    authorizer = RbacAuthorizer(Fixed(Policy([], [], [], [])))
    assert (await authorizer.authorize(ask("any", user=User("root", ("system:masters",))))).allowed


async def test_what_is_remembered_for_one_name_holds_for_others_only_where_no_rule_names_objects() -> None:
    named = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}
    urls = {"verbs": ["get"], "nonResourceURLs": ["/a"]}
    source = Fixed(
        Policy([role("r", named, READ_PODS, urls)], [], [binding("ClusterRole", "r", JANE_SUBJECT)], [])
    )
    authorizer = RbacAuthorizer(source)

    async def may(attributes: Attributes) -> bool:
        return (await authorizer.authorize(attributes)).allowed

    for _ in range(2):
        assert await may(ask("get", "secrets", name="a"))
        assert not await may(ask("get", "secrets", name="b"))
        assert not await may(ask("get", "secrets"))
        assert await may(ask("get", name="p1"))
        assert await may(ask("get", name="p2"))
        assert not await may(ask("get", name="p1", subresource="log"))
        assert not await may(ask("get", user=User("joe"), name="p1"))
        assert await may(Attributes(JANE, "get", False, path="/a"))
        assert not await may(Attributes(JANE, "get", False, path="/b"))
    source._policy = Policy([], [], [], [])
    source.changes += 1
    assert not await may(ask("get", name="p1"))


async def test_a_decision_that_no_name_enters_is_made_once_for_all_objects() -> None:
    asked = []

    class Rule(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.append(key)
            return super().get(key, default)

    rules = Rule(READ_PODS)
    authorizer = RbacAuthorizer(
        Fixed(Policy([role("r", rules)], [], [binding("ClusterRole", "r", JANE_SUBJECT)], []))
    )
    for number in range(100):
        assert (await authorizer.authorize(ask("get", name=f"p{number}"))).allowed
    assert asked.count("verbs") <= 2
