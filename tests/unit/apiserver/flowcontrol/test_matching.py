"""Which FlowSchema a request belongs to."""

import pytest

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.flowcontrol import matching
from pinnace.apiserver.request_info import resolve

USER = User("system:serviceaccount:web:bot", ("system:serviceaccounts", "system:authenticated"))
SUBJECTS = {
    "user": ({"kind": "User", "user": {"name": USER.name}}, True),
    "any user": ({"kind": "User", "user": {"name": "*"}}, True),
    "other user": ({"kind": "User", "user": {"name": "x"}}, False),
    "group": ({"kind": "Group", "group": {"name": "system:serviceaccounts"}}, True),
    "other group": ({"kind": "Group", "group": {"name": "g"}}, False),
    "account": ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "web", "name": "bot"}}, True),
    "any account": ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "web", "name": "*"}}, True),
    "other place": ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "we", "name": "*"}}, False),
}


def schema(subject: dict, **rules: object) -> matching.Schema:
    spec = {"rules": [{"subjects": [subject], **rules}], "priorityLevelConfiguration": {"name": "l"}}
    return matching.read({"metadata": {"name": "s"}, "spec": spec})


@pytest.mark.parametrize("name", SUBJECTS)
def test_subjects(name: str) -> None:
    subject, expected = SUBJECTS[name]
    rule = {"verbs": ["get"], "nonResourceURLs": ["/version"]}
    assert schema(subject, nonResourceRules=[rule]).matches(USER, resolve("GET", "/version", {})) is expected


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ({"namespaces": ["web"]}, "/api/v1/namespaces/web/pods", True),
        ({"namespaces": ["*"]}, "/api/v1/namespaces/web/pods", True),
        ({"namespaces": ["db"]}, "/api/v1/namespaces/web/pods", False),
        ({"namespaces": ["*"]}, "/api/v1/pods", False),
        ({"clusterScope": True}, "/api/v1/pods", True),
        ({"clusterScope": True}, "/api/v1/namespaces/web/pods", False),
        ({"namespaces": ["*"], "resources": ["pods/log"]}, "/api/v1/namespaces/web/pods/a/log", True),
        ({"namespaces": ["*"], "resources": ["pods"]}, "/api/v1/namespaces/web/pods/a/log", False),
        ({"namespaces": ["*"], "apiGroups": ["apps"]}, "/api/v1/namespaces/web/pods", False),
        ({"namespaces": ["*"], "verbs": ["watch"]}, "/api/v1/namespaces/web/pods", False),
    ],
)
def test_resource_rules(rule: dict, path: str, expected: bool) -> None:
    full = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], **rule}
    found = schema(SUBJECTS["user"][0], resourceRules=[full])
    assert found.matches(USER, resolve("GET", path, {})) is expected


def test_lower_precedence_comes_first_then_the_name() -> None:
    def obj(name: str, precedence: int) -> dict:
        return {"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}}

    assert [s.name for s in matching.in_order([obj("c", 5), obj("b", 9), obj("a", 9), obj("d", 1)])] == [
        "d", "c", "a", "b",
    ]  # fmt: skip


@pytest.mark.parametrize(("by", "flow"), [("ByUser", USER.name), ("ByNamespace", "web"), ("", "")])
def test_flows(by: str, flow: str) -> None:
    spec = {"distinguisherMethod": {"type": by}} if by else {}
    found = matching.read({"metadata": {"name": "s"}, "spec": spec})
    assert found.flow(USER, resolve("GET", "/api/v1/namespaces/web/pods", {})) == flow
