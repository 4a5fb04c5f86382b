"""LimitRanges, ResourceQuotas, PriorityClasses, RuntimeClasses: one line a rule, in upstream's words."""

import pytest

from pinnace.api import meta
from pinnace.api.resources import TABLE
from pinnace.api.strategies import strategy_for

ROWS = {
    row.kind: row
    for row in TABLE
    if row.kind in ("LimitRange", "ResourceQuota", "RuntimeClass", "PriorityClass")
}


def build(kind, body):
    row = ROWS[kind]
    own = {"name": "x", "resourceVersion": "1", **({"namespace": "default"} if row.namespaced else {})}
    obj = {"apiVersion": row.gvr.api_version, "kind": kind, "metadata": own, **meta.mutable_copy(body)}
    strategy_for(row.gvr).default(obj)
    return obj


def found(kind, body):
    causes = strategy_for(ROWS[kind].gvr).validate(build(kind, body))
    return [f"{cause.field}: {cause.message}" for cause in causes]


def limits(**limit):
    return {"spec": {"limits": [{"type": "Container", **limit}]}}


def quota(*hard, **spec):
    return {"spec": {"hard": dict.fromkeys(hard, "1"), **spec}}


def selector(scope, operator, *values):
    return {"matchExpressions": [{"scopeName": scope, "operator": operator, "values": list(values)}]}


def test_defaults_of_a_limit_range():
    obj = build(
        "LimitRange",
        limits(max={"cpu": "1000m"}, default={"memory": "1024Mi"}, min={"ephemeral-storage": "1Gi"}),
    )
    (limit,) = obj["spec"]["limits"]
    assert limit["default"] == {"cpu": "1", "memory": "1Gi"}
    assert limit["defaultRequest"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}
    pods = build("LimitRange", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}})
    assert pods["spec"]["limits"] == [{"type": "Pod", "max": {"cpu": "1"}}]


INVALID = [
    ("LimitRange", limits(min={"cpu": "2"}, max={"cpu": "1"}, defaultRequest={"cpu": "1"}, default={"cpu": "1"}), [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
    ]),
    ("LimitRange", limits(defaultRequest={"cpu": "2"}, default={"cpu": "1"}), [
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1',
    ]),
    ("LimitRange", limits(default={"cpu": "2"}, max={"cpu": "1"}, defaultRequest={"cpu": "1"}), [
        'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1',
    ]),
    ("LimitRange", limits(maxLimitRequestRatio={"cpu": "500m"}), [
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
    ]),
    ("LimitRange", limits(maxLimitRequestRatio={"cpu": "3"}, min={"cpu": "1"}, max={"cpu": "2"}), [
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
    ]),
    ("LimitRange", limits(default={"example.com/x": "2"}, defaultRequest={"example.com/x": "1"}), [
        'spec.limits[0].defaultRequest[example.com/x]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in example.com/x',
    ]),
    ("LimitRange", {"spec": {"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}}, [
        "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
    ]),
    ("LimitRange", {"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"cpu": "1"}}]}}, [
        "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
    ]),
    ("LimitRange", {"spec": {"limits": [{"type": "Pod"}, {"type": "Pod"}]}}, ['spec.limits[1].type: Duplicate value: "Pod"']),
    ("LimitRange", {"spec": {"limits": [{"type": "Box"}]}}, [
        'spec.limits[0].type: Invalid value: "Box": must be a standard limit type or fully qualified',
    ]),
    ("LimitRange", limits(max={"pods": "1"}), [
        'spec.limits[0].max[pods]: Invalid value: "pods": must be a standard resource for containers',
        'spec.limits[0].default[pods]: Invalid value: "pods": must be a standard resource for containers',
        'spec.limits[0].defaultRequest[pods]: Invalid value: "pods": must be a standard resource for containers',
    ]),
    ("ResourceQuota", {"spec": {"hard": {"pods": "-1"}}}, [
        'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0',
    ]),
    ("ResourceQuota", {"spec": {"hard": {"pods": "1500m"}}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
    ("ResourceQuota", quota("storage"), ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota']),
    ("ResourceQuota", quota("gpus"), [
        'spec.hard[gpus]: Invalid value: "gpus": must be a standard resource type or fully qualified',
        'spec.hard[gpus]: Invalid value: "gpus": must be a standard resource for quota',
    ]),
    ("ResourceQuota", quota("cpu", scopes=["BestEffort"]), [
        'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
    ]),
    ("ResourceQuota", quota("pods", scopes=["BestEffort", "NotBestEffort"]), [
        'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
    ]),
    ("ResourceQuota", quota("pods", scopes=["Odd"]), ['spec.scopes: Invalid value: ["Odd"]: unsupported scope']),
    ("ResourceQuota", quota("pods", scopeSelector=selector("PriorityClass", "In")), [
        "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
    ]),
    ("ResourceQuota", quota("pods", scopeSelector=selector("PriorityClass", "Exists", "a")), [
        "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector",
    ]),
    ("ResourceQuota", quota("pods", scopeSelector=selector("PriorityClass", "Is")), [
        'spec.scopeSelector.matchExpressions.operator: Invalid value: "Is": not a valid selector operator',
    ]),
    ("RuntimeClass", {"handler": ""}, ['handler: Invalid value: "": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \'-\', and must start and end with an alphanumeric character (e.g. \'my-name\',  or \'123-abc\', regex used for validation is \'[a-z0-9]([-a-z0-9]*[a-z0-9])?\')']),
    ("RuntimeClass", {"handler": "x", "scheduling": {"tolerations": [{"key": "a"}, {"key": "a"}]}}, [
        'scheduling.tolerations[1]: Duplicate value: {"key":"a"}',
    ]),
    ("RuntimeClass", {"handler": "x", "overhead": {"podFixed": {"cpu": "-1"}}}, [
        'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "expected"), INVALID)
def test_rules(kind, body, expected):
    assert found(kind, body) == expected


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("ResourceQuota", quota("count/widgets.example.com", "requests.example.com/gpu", "gold.storageclass.storage.k8s.io/requests.storage")),
        ("ResourceQuota", quota("requests.hugepages-2Mi", "limits.ephemeral-storage", "services.nodeports")),
        ("ResourceQuota", quota("pods", "cpu", scopeSelector=selector("PriorityClass", "NotIn", "low"))),
        ("ResourceQuota", quota("persistentvolumeclaims", scopeSelector=selector("VolumeAttributesClass", "Exists"))),
        ("ResourceQuota", quota("pods", scopes=["CrossNamespacePodAffinity"])),
    ],
)  # fmt: skip
def test_what_a_quota_may_say(kind, body):
    assert found(kind, body) == []


def test_the_scopes_of_a_quota_stay():
    strategy = strategy_for(ROWS["ResourceQuota"].gvr)
    old, new = (
        build("ResourceQuota", quota("pods")),
        build("ResourceQuota", quota("pods", scopes=["Terminating"])),
    )
    assert [f"{c.field}: {c.message}" for c in strategy.validate_update(new, old)] == [
        'spec.scopes: Invalid value: ["Terminating"]: field is immutable'
    ]
