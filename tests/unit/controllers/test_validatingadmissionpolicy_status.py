"""The type check of policies: which kinds it looks at, what it says, and when it has nothing to do."""

from datetime import UTC, datetime
from typing import Any

from pinnace.controllers.runtime import SetStatus, World
from pinnace.controllers.validatingadmissionpolicy_status import kinds_of, reconcile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Object = dict[str, Any]


def rule(resources: list[str], groups: list[str], versions: list[str] | None = None) -> Object:
    return {
        "operations": ["*"],
        "apiGroups": groups,
        "apiVersions": versions or ["v1"],
        "resources": resources,
    }


def policy(*expressions: str, rules: list[Object] | None = None, **more: Any) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p", "generation": 3},
        "spec": {
            "matchConstraints": {"resourceRules": rules or [rule(["deployments"], ["apps"])]},
            "validations": [{"expression": text} for text in expressions],
            **more,
        },
    }


CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Thing", "plural": "things"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}
                        },
                    }
                },
            }
        ],
    },
}


def status(obj: Object, *others: Object) -> Object:
    (action,) = reconcile(obj, World.of([obj, *others], NOW))
    assert isinstance(action, SetStatus)
    return action.status


def test_a_sound_policy_is_observed_without_warnings() -> None:
    assert status(policy("object.spec.replicas <= 5")) == {"observedGeneration": 3, "typeChecking": {}}


def test_a_field_that_a_kind_lacks_is_a_warning() -> None:
    found = status(policy("true", "object.spec.replica <= 5"))
    (warning,) = found["typeChecking"]["expressionWarnings"]
    assert warning == {
        "fieldRef": "spec.validations[1].expression",
        "warning": "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'\n"
        " | object.spec.replica <= 5\n | ...........^\n",
    }


def test_each_kind_is_checked() -> None:
    rules = [rule(["deployments", "replicasets", "deployments/status"], ["apps"]), rule(["pods"], [""])]
    found = status(policy("object.spec.paused", rules=rules))
    text = found["typeChecking"]["expressionWarnings"][0]["warning"]
    assert [line.partition(": ")[0] for line in text.split("\n") if "Kind=" in line] == [
        "v1, Kind=Pod", "apps/v1, Kind=ReplicaSet"
    ]  # fmt: skip


def test_variables_and_params_have_types_too() -> None:
    whole = policy(
        "variables.count > 'a'",
        "params.data.limit > 1",
        variables=[{"name": "count", "expression": "object.spec.replicas"}],
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )
    first, second = status(whole)["typeChecking"]["expressionWarnings"]
    assert "no matching overload for '_>_' applied to '(int, string)'" in first["warning"]
    assert "no matching overload for '_>_' applied to '(string, int)'" in second["warning"]


def test_custom_resources_are_checked_by_their_schema() -> None:
    whole = policy(
        "object.spec.size > 1", "object.spec.length > 1", rules=[rule(["things"], ["example.com"])]
    )
    (warning,) = status(whole, CRD)["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[1].expression"
    assert warning["warning"].startswith("example.com/v1, Kind=Thing: ERROR")


def test_rules_with_wildcards_name_no_kind() -> None:
    world = World.of([], NOW)
    wild = policy(rules=[rule(["*"], ["apps"]), rule(["pods"], ["*"]), rule(["pods"], [""], ["*"])])
    assert kinds_of(wild["spec"], world) == []
    assert status(policy("object.nothing", rules=[rule(["*"], ["*"])])) == {
        "observedGeneration": 3, "typeChecking": {}
    }  # fmt: skip


def test_a_policy_is_checked_once_for_each_generation() -> None:
    checked = policy("true") | {"status": {"observedGeneration": 3}}
    assert list(reconcile(checked, World.of([checked], NOW))) == []
