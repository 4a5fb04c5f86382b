from pathlib import Path
from typing import Any

import pytest
import yaml

from pinnace.apiserver.audit.policy import Policy, load_policy
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.config_files import ConfigFileError
from pinnace.apiserver.request_info import RequestInfo, resolve

JANE = User("jane", ("dev",))


def policy(tmp_path: Path, *rules: dict[str, Any], **more: Any) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(
        yaml.safe_dump({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": list(rules), **more})
    )
    return load_policy(path)


def info(method: str, path: str) -> RequestInfo:
    return resolve(method, path, {})


@pytest.mark.parametrize(
    ("rule", "method", "path", "matches"),
    [
        ({}, "GET", "/api/v1/pods", True),
        ({"users": ["jane"]}, "GET", "/api/v1/pods", True),
        ({"users": ["joe"]}, "GET", "/api/v1/pods", False),
        ({"userGroups": ["dev"]}, "GET", "/api/v1/pods", True),
        ({"verbs": ["list"]}, "GET", "/api/v1/pods", True),
        ({"verbs": ["get"]}, "GET", "/api/v1/pods", False),
        ({"namespaces": ["n"]}, "GET", "/api/v1/namespaces/n/pods", True),
        ({"namespaces": ["n"]}, "GET", "/api/v1/nodes", False),
        ({"namespaces": [""]}, "GET", "/api/v1/nodes", True),
        ({"resources": [{"group": ""}]}, "GET", "/api/v1/namespaces/n/pods/p/log", True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, "GET", "/api/v1/namespaces/n/pods/p/log", False),
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, "GET", "/api/v1/namespaces/n/pods/p/log", True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, "GET", "/api/v1/namespaces/n/pods/p/log", True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, "GET", "/api/v1/namespaces/n/pods/p/log", True),
        ({"resources": [{"group": "", "resources": ["pods"], "resourceNames": ["p"]}]}, "GET", "/api/v1/namespaces/n/pods/q", False),
        ({"resources": [{"group": "apps"}]}, "GET", "/api/v1/pods", False),
        ({"nonResourceURLs": ["/healthz*"]}, "GET", "/healthz/ping", True),
        ({"nonResourceURLs": ["/healthz*"]}, "GET", "/api/v1/pods", False),
        ({"resources": [{"group": ""}]}, "GET", "/version", False),
    ],
)  # fmt: skip
def test_a_rule_matches(tmp_path: Path, rule: dict[str, Any], method: str, path: str, matches: bool) -> None:
    made = policy(tmp_path, {"level": "Metadata", **rule})
    assert (made.verdict(JANE, info(method, path)).level == "Metadata") is matches


def test_the_first_matching_rule_counts(tmp_path: Path) -> None:
    made = policy(tmp_path, {"level": "None", "users": ["jane"]}, {"level": "RequestResponse"})
    assert made.verdict(JANE, info("GET", "/api/v1/pods")).level == "None"
    assert made.verdict(User("joe"), info("GET", "/api/v1/pods")).level == "RequestResponse"


def test_stages_and_managed_fields_are_joined(tmp_path: Path) -> None:
    rules = (
        {"level": "Request", "omitStages": ["Panic"], "users": ["jane"]},
        {"level": "Request", "omitManagedFields": False},
    )
    made = policy(tmp_path, *rules, omitStages=["RequestReceived"], omitManagedFields=True)
    own = made.verdict(JANE, info("GET", "/version"))
    assert own.omit_stages == {"RequestReceived", "Panic"}
    assert own.omit_managed_fields
    assert not made.verdict(User("joe"), info("GET", "/version")).omit_managed_fields


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"level": "Loud"}, 'rules[0].level: Unsupported value: "Loud"'),
        ({"level": "None", "omitStages": ["Later"]}, 'rules[0].omitStages: Unsupported value: "Later"'),
        ({"level": "None", "usrs": ["jane"]}, 'unknown field "usrs"'),
        ({"level": "None", "nonResourceURLs": ["/x"], "namespaces": ["n"]}, "cannot apply to both"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, rule: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigFileError) as refused:
        policy(tmp_path, rule)
    assert why in str(refused.value)
