"""Webhook configurations: defaults, upstream's findings with their paths, and which requests a rule matches."""

from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.api.admissionregistration import rules
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery.gvk import GVR

Object = dict[str, Any]
RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


def hook(**changes: Any) -> Object:
    base = {
        "name": "a.example.com", "rules": [dict(RULE)], "clientConfig": {"url": "https://example.com/x"},
        "sideEffects": "None", "admissionReviewVersions": ["v1"],
    }  # fmt: skip
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def configuration(*hooks: Object) -> Object:
    return {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "c"}, "webhooks": list(hooks)}


def findings(*hooks: Object, old: Object | None = None) -> list[str]:
    strategy, obj = strategy_for(r.MUTATING_WEBHOOK_CONFIGURATIONS), configuration(*hooks)
    strategy.default(obj)
    found = strategy.validate(obj) if old is None else strategy.validate_update(obj, old)
    return [f"{cause.field}: {cause.message}" for cause in found]


def test_defaults() -> None:
    obj = configuration(hook(clientConfig={"service": {"name": "s", "namespace": "n"}}))
    strategy_for(r.MUTATING_WEBHOOK_CONFIGURATIONS).default(obj)
    made = obj["webhooks"][0]
    assert (made["failurePolicy"], made["matchPolicy"], made["reinvocationPolicy"]) == (
        "Fail",
        "Equivalent",
        "Never",
    )
    assert (made["timeoutSeconds"], made["namespaceSelector"], made["objectSelector"]) == (10, {}, {})
    assert (made["clientConfig"]["service"]["port"], made["rules"][0]["scope"]) == (443, "*")
    assert findings(*obj["webhooks"]) == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"name": "short"}, 'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots'),
        ({"name": ""}, "webhooks[0].name: Required value"),
        ({"sideEffects": None}, "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"),
        ({"sideEffects": "Some"}, 'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
        ({"failurePolicy": "No"}, 'webhooks[0].failurePolicy: Unsupported value: "No": supported values: "Fail", "Ignore"'),
        ({"matchPolicy": "No"}, 'webhooks[0].matchPolicy: Unsupported value: "No": supported values: "Equivalent", "Exact"'),
        ({"reinvocationPolicy": "No"}, 'webhooks[0].reinvocationPolicy: Unsupported value: "No": supported values: "IfNeeded", "Never"'),
        ({"timeoutSeconds": 31}, "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
        ({"admissionReviewVersions": None}, "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
        ({"admissionReviewVersions": ["v7"]}, 'webhooks[0].admissionReviewVersions: Invalid value: ["v7"]: must include at least one of v1, v1beta1'),
        ({"admissionReviewVersions": ["v1", "v1"]}, 'webhooks[0].admissionReviewVersions[1]: Invalid value: "v1": duplicate version'),
        ({"clientConfig": None}, "webhooks[0].clientConfig: Required value: exactly one of url or service is required"),
        ({"clientConfig": {"url": "http://a/b"}}, "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]"),
        ({"clientConfig": {"url": "https://u@a/b"}}, 'webhooks[0].clientConfig.url: Invalid value: "u": user information is not permitted in the URL'),
        ({"clientConfig": {"url": "https://a/b?c"}}, 'webhooks[0].clientConfig.url: Invalid value: "c": query parameters are not permitted in the URL'),
        ({"clientConfig": {"service": {"name": "s"}}}, "webhooks[0].clientConfig.service.namespace: Required value: service namespace is required"),
        ({"clientConfig": {"service": {"name": "s", "namespace": "n", "port": 70000}}}, "webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive"),
        ({"clientConfig": {"service": {"name": "s", "namespace": "n", "path": "x"}}}, "webhooks[0].clientConfig.service.path: Invalid value: \"x\": must start with a '/'"),
        ({"rules": [{**RULE, "operations": []}]}, "webhooks[0].rules[0].operations: Required value"),
        ({"rules": [{**RULE, "operations": ["*", "CREATE"]}]}, 'webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations'),
        ({"rules": [{**RULE, "operations": ["PATCH"]}]}, 'webhooks[0].rules[0].operations[0]: Unsupported value: "PATCH": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"'),
        ({"rules": [{**RULE, "resources": ["pods/*", "pods/log"]}]}, "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log"),
        ({"rules": [{**RULE, "resources": ["*/*", "a"]}]}, 'webhooks[0].rules[0].resources: Invalid value: ["*/*","a"]: if \'*/*\' is present, must not specify other resources'),
        ({"rules": [{**RULE, "scope": "All"}]}, 'webhooks[0].rules[0].scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"'),
    ],
)  # fmt: skip
def test_findings(changes: Object, finding: str) -> None:
    assert finding in findings(hook(**changes))


def test_names_are_unique() -> None:
    assert findings(hook(), hook()) == ['webhooks[1].name: Duplicate value: "a.example.com"']


def test_what_was_wrong_before_may_stay() -> None:
    old = configuration(hook(sideEffects="Unknown"), hook(sideEffects="Unknown"))
    old["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    new = configuration(hook(sideEffects="Some"), hook(sideEffects="Some"))
    new["metadata"] = dict(old["metadata"])
    strategy = strategy_for(r.MUTATING_WEBHOOK_CONFIGURATIONS)
    strategy.default(new)
    assert strategy.validate_update(new, old) == []


@pytest.mark.parametrize(
    ("changes", "operation", "gvr", "subresource", "namespace", "matches"),
    [
        ({}, "CREATE", r.PODS, "", "ns", True),
        ({}, "UPDATE", r.PODS, "", "ns", False),
        ({}, "CREATE", r.PODS, "status", "ns", False),
        ({"resources": ["pods/*"]}, "CREATE", r.PODS, "", "ns", True),
        ({"resources": ["pods/*"]}, "CREATE", r.PODS, "exec", "ns", True),
        ({"resources": ["*"]}, "CREATE", r.PODS, "exec", "ns", False),
        ({"resources": ["*/*"]}, "CREATE", r.PODS, "", "ns", True),
        ({"resources": ["*/scale"]}, "CREATE", r.PODS, "scale", "ns", True),
        ({"apiGroups": ["*"], "resources": ["*"]}, "CREATE", r.DEPLOYMENTS, "", "ns", True),
        ({"apiVersions": ["v2"]}, "CREATE", r.PODS, "", "ns", False),
        ({"scope": "Cluster"}, "CREATE", r.PODS, "", "ns", False),
        ({"scope": "Namespaced"}, "CREATE", r.PODS, "", "ns", True),
        ({"scope": "Cluster", "resources": ["*"]}, "CREATE", r.NAMESPACES, "", "ns", True),
        ({"scope": "Namespaced", "resources": ["*"]}, "CREATE", r.NAMESPACES, "", "ns", False),
        ({"scope": "Cluster", "resources": ["*"]}, "CREATE", r.NODES, "", "", True),
        ({"operations": ["*"]}, "CONNECT", r.PODS, "", "ns", True),
    ],
)
def test_matching(
    changes: Object, operation: str, gvr: GVR, subresource: str, namespace: str, matches: bool
) -> None:
    assert rules.matches({**RULE, **changes}, operation, gvr, subresource, namespace) is matches
