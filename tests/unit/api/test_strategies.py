"""Every resource of the table: a strategy, defaults, and the generic rules of create and update."""

import pytest

import kind_examples
from pinnace.api import meta
from pinnace.api.resources import PODS, TABLE
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery import errors

TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
FINISHING = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"a": "b"}}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
DEFINITION = {
    "group": "example.com", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
    "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
}  # fmt: skip
RULE = {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
BODIES = {
    "ValidatingAdmissionPolicy": {
        "spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}
    },
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "p", "validationActions": ["Deny"]}},
    "MutatingAdmissionPolicy": {
        "spec": {
            "matchConstraints": {"resourceRules": [RULE]},
            "mutations": [
                {
                    "patchType": "JSONPatch",
                    "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/a'}]"},
                }
            ],
            "reinvocationPolicy": "Never",
        }
    },
    "MutatingAdmissionPolicyBinding": {"spec": {"policyName": "p"}},
    **kind_examples.BODIES,
    "APIService": {
        "metadata": {"name": "v1.x.example"},
        "spec": {"group": "x.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1},
    },
    "CustomResourceDefinition": {"metadata": {"name": "foos.example.com"}, "spec": DEFINITION},
    "Binding": {"target": {"kind": "Node", "name": "n"}},
    "ControllerRevision": {"data": {}, "revision": 1},
    "DaemonSet": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    "Deployment": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    "ReplicaSet": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
    "Pod": {"spec": TEMPLATE["spec"]},
    "PodTemplate": {"template": TEMPLATE},
    "ReplicationController": {"spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
    "StatefulSet": {"spec": {"serviceName": "s", "selector": SELECTOR, "template": TEMPLATE}},
    "Job": {"spec": {"manualSelector": True, "selector": SELECTOR, "template": FINISHING}},
    "CronJob": {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": FINISHING}}}},
    "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "K", "name": "n"}}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]},
    "Event": {"involvedObject": {"namespace": "default"}},
    "Ingress": {"spec": {"defaultBackend": BACKEND}},
    "IngressClass": {"spec": {"controller": "example.com/x"}},
    "RuntimeClass": {"handler": "runc"},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "RoleBinding": {"roleRef": ROLE},
    "ClusterRoleBinding": {"roleRef": ROLE},
    "SubjectAccessReview": {"spec": {"user": "u", "resourceAttributes": {}}},
    "SelfSubjectAccessReview": {"spec": {"resourceAttributes": {}}},
    "LocalSubjectAccessReview": {"spec": {"user": "u", "resourceAttributes": {"namespace": "default"}}},
}


def example(resource):
    metadata = {
        "name": kind_examples.NAMES.get(resource.kind, "x"),
        **({"namespace": "default"} if resource.namespaced else {}),
    }
    body = meta.mutable_copy(BODIES.get(resource.kind, {}))
    return {"apiVersion": resource.gvr.api_version, "kind": resource.kind, "metadata": metadata, **body}


@pytest.mark.parametrize("resource", TABLE, ids=lambda row: row.gvr.qualified)
def test_a_sound_object_passes_and_defaulting_it_again_changes_nothing(resource):
    strategy, obj = strategy_for(resource.gvr), example(resource)
    strategy.default(obj)
    strategy.prepare_create(obj)
    assert strategy.validate(obj) == []
    again = meta.mutable_copy(obj)
    strategy.default(again)
    assert again == obj
    assert set(strategy.field_labels(obj)) >= strategy.selectable_fields
    assert strategy.warnings(obj) == []


@pytest.mark.parametrize(
    "resource", [row for row in TABLE if "update" in row.verbs], ids=lambda row: row.gvr.qualified
)
def test_an_update_that_changes_nothing_is_accepted_and_keeps_system_fields(resource):
    strategy, old = strategy_for(resource.gvr), example(resource)
    strategy.default(old)
    strategy.prepare_create(old)
    old["metadata"] |= {"uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
    new = {**example(resource)}
    new["metadata"]["resourceVersion"] = "7"
    new["status"] = {"phase": "Whatever"}
    strategy.default(new)
    strategy.prepare_update(new, old)
    assert strategy.validate_update(new, old) == []
    if resource.subresource("status"):
        assert new == old


def test_status_updates_change_nothing_else():
    strategy, old = strategy_for(PODS), example(next(row for row in TABLE if row.gvr == PODS))
    strategy.default(old)
    new = meta.mutable_copy(old)
    new["spec"]["nodeName"] = "elsewhere"
    new["status"] = {"phase": "Running"}
    strategy.prepare_status_update(new, old)
    assert new["spec"] == old["spec"]
    assert new["status"] == {"phase": "Running"}


def test_generation_counts_changes_of_the_spec_only():
    resource = next(row for row in TABLE if row.kind == "DaemonSet")
    strategy, old = strategy_for(resource.gvr), example(resource)
    strategy.default(old)
    strategy.prepare_create(old)
    same, changed = meta.mutable_copy(old), meta.mutable_copy(old)
    same["metadata"]["labels"] = {"new": "label"}
    changed["spec"]["minReadySeconds"] = 3
    for new in (same, changed):
        strategy.prepare_update(new, old)
    assert (same["metadata"]["generation"], changed["metadata"]["generation"]) == (1, 2)


def test_unknown_field_labels_are_named():
    assert strategy_for(PODS).unsupported_field_label("spec.x") == "field label not supported: spec.x"
    assert strategy_for(PODS).unsupported_field_label("spec.nodeName") == ""
    plain = next(row for row in TABLE if row.kind == "ConfigMap")
    assert strategy_for(plain.gvr).unsupported_field_label("data") == (
        '"data" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (
            "Pod",
            {"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        ("Secret", {"data": {"a": "§"}}, "illegal base64 data at input byte 0"),
        ("ConfigMap", {"binaryData": {"a": "YQ"}}, "illegal base64 data at input byte 0"),
    ],
)
def test_values_that_cannot_be_read_are_bad_requests(kind, body, message):
    resource = next(row for row in TABLE if row.kind == kind)
    with pytest.raises(errors.BadRequest) as caught:
        strategy_for(resource.gvr).default({**example(resource), **body})
    assert str(caught.value) == f'{kind} in version "v1" cannot be handled as a {kind}: {message}'
