"""Admission policies and their bindings: defaults, and upstream's findings with their paths."""

from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.gvk import GVR

Object = dict[str, Any]
RULE = {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}


def findings(gvr: GVR, spec: Object, kind: str) -> list[str]:
    strategy = strategy_for(gvr)
    obj = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "p"},
        "spec": spec,
    }
    strategy.default(obj)
    return [_text(cause) for cause in strategy.validate(obj)]


def _text(cause: Cause) -> str:
    return f"{cause.field}: {cause.message}"


def validating(**spec: Any) -> list[str]:
    whole = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], **spec}
    return findings(r.VALIDATING_ADMISSION_POLICIES, whole, "ValidatingAdmissionPolicy")


def mutating(*mutations: Object, **spec: Any) -> list[str]:
    whole = {
        "matchConstraints": {"resourceRules": [RULE]}, "mutations": list(mutations), "reinvocationPolicy": "Never", **spec
    }  # fmt: skip
    return findings(r.MUTATING_ADMISSION_POLICIES, whole, "MutatingAdmissionPolicy")


def bound(**spec: Any) -> list[str]:
    whole = {"policyName": "p", "validationActions": ["Deny"], **spec}
    return findings(r.VALIDATING_ADMISSION_POLICY_BINDINGS, whole, "ValidatingAdmissionPolicyBinding")


def test_defaults() -> None:
    obj: Object = {"metadata": {}, "spec": {"matchConstraints": {"resourceRules": [dict(RULE)]}}}
    strategy_for(r.VALIDATING_ADMISSION_POLICIES).default(obj)
    assert obj["spec"]["failurePolicy"] == "Fail"
    constraints = obj["spec"]["matchConstraints"]
    assert constraints["matchPolicy"] == "Equivalent"
    assert constraints["namespaceSelector"] == constraints["objectSelector"] == {}
    assert constraints["resourceRules"][0]["scope"] == "*"


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        ({"failurePolicy": "x"}, 'spec.failurePolicy: Unsupported value: "x": supported values: "Fail", "Ignore"'),
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: Required value"),
        ({"paramKind": {"apiVersion": "a/b/c", "kind": "K"}}, 'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'),
        ({"validations": [{"expression": " "}]}, "spec.validations[0].expression: Required value: expression is not specified"),
        ({"validations": [{"expression": "object.x"}]}, 'spec.validations[0].expression: Invalid value: "object.x": must evaluate to bool but got dyn'),
        ({"validations": [{"expression": "x"}]}, "spec.validations[0].expression: Invalid value: \"x\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x\n | ^"),
        ({"validations": [{"expression": "has(params.data)"}]}, "spec.validations[0].expression: Invalid value: \"has(params.data)\": compilation failed: ERROR: <input>:1:5: undeclared reference to 'params' (in container '')\n | has(params.data)\n | ....^"),
        ({"validations": [{"expression": "true", "messageExpression": "1"}]}, 'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int'),
        ({"validations": [{"expression": "true", "message": "a\nb"}]}, 'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks'),
        ({"validations": [{"expression": "true", "reason": "x"}]}, 'spec.validations[0].reason: Unsupported value: "x": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"'),
        ({"variables": [{"name": "a-b", "expression": "1"}]}, 'spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier'),
        ({"matchConditions": [{"name": "a", "expression": "1"}]}, 'spec.matchConditions[0].expression: Invalid value: "1": must evaluate to bool but got int'),
        ({"auditAnnotations": [{"key": "a", "valueExpression": "1"}]}, 'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null]'),
    ],
)  # fmt: skip
def test_findings_of_a_validating_policy(spec: Object, finding: str) -> None:
    assert validating(**spec) == [finding]


def test_a_policy_without_validations_needs_annotations() -> None:
    assert validating(validations=[]) == [
        "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
        "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
    ]


def test_variables_are_typed_and_in_order() -> None:
    first, second = {"name": "a", "expression": "'text'"}, {"name": "b", "expression": "variables.a.size()"}
    assert validating(variables=[first, second], validations=[{"expression": "variables.b > 1"}]) == []
    assert "undeclared reference to 'variables'" in validating(variables=[second, first])[0]
    wrong = validating(variables=[first], validations=[{"expression": "variables.a > 1"}])
    assert "found no matching overload for '_>_' applied to '(string, int)'" in wrong[0]


@pytest.mark.parametrize(
    ("mutation", "finding"),
    [
        ({}, "spec.mutations[0].patchType: Required value"),
        ({"patchType": "x"}, 'spec.mutations[0].patchType: Unsupported value: "x": supported values: "ApplyConfiguration", "JSONPatch"'),
        ({"patchType": "JSONPatch"}, "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"),
        ({"patchType": "JSONPatch", "jsonPatch": {"expression": "1"}}, 'spec.mutations[0].jsonPatch.expression: Invalid value: "1": must evaluate to list(JSONPatch) but got int'),
        ({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "{}"}}, 'spec.mutations[0].applyConfiguration.expression: Invalid value: "{}": must evaluate to Object but got map(dyn, dyn)'),
    ],
)  # fmt: skip
def test_findings_of_a_mutating_policy(mutation: Object, finding: str) -> None:
    assert mutating(mutation) == [finding]


def test_a_mutating_policy_that_is_sound() -> None:
    apply = {"expression": "Object{spec: Object.spec{replicas: object.spec.replicas + 1}}"}
    patch = {"expression": "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c'), value: 'd'}]"}
    assert mutating(
        {"patchType": "ApplyConfiguration", "applyConfiguration": apply}, {"patchType": "JSONPatch", "jsonPatch": patch}
    ) == []  # fmt: skip
    assert mutating() == ["spec.mutations: Required value: mutations must contain at least one item"]


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        ({"policyName": ""}, "spec.policyName: Required value"),
        ({"validationActions": []}, "spec.validationActions: Required value: at least one validation action is required"),
        ({"validationActions": ["Audit", "Audit"]}, 'spec.validationActions[1]: Duplicate value: "Audit"'),
        ({"paramRef": {}}, "spec.paramRef: Required value: one of name or selector must be specified"),
        ({"paramRef": {"name": "a", "parameterNotFoundAction": "x"}}, 'spec.paramRef.parameterNotFoundAction: Unsupported value: "x": supported values: "Deny", "Allow"'),
        ({"matchResources": {"matchPolicy": "x"}}, 'spec.matchResources.matchPolicy: Unsupported value: "x": supported values: "Equivalent", "Exact"'),
    ],
)  # fmt: skip
def test_findings_of_a_binding(spec: Object, finding: str) -> None:
    assert bound(**spec) == [finding]


def test_deny_and_warn_exclude_each_other() -> None:
    assert "must not contain both Deny and Warn" in bound(validationActions=["Deny", "Warn"])[0]
