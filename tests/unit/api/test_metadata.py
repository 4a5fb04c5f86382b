"""Metadata rules in upstream's words."""

import pytest

from pinnace.api import metadata, names
from pinnace.apimachinery import errors


def _texts(causes):
    return [f"{cause.field}: {cause.message}" for cause in causes]


def _validate(**fields):
    meta = {"name": "web", "namespace": "default", **fields}
    return _texts(metadata.validate({"metadata": meta}, namespaced=True, name_rule=names.dns_subdomain))


def test_accepts_plain_metadata():
    assert _validate(labels={"a.example/b": "c"}, annotations={"X": "any thing"}, finalizers=["a.b/c"]) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
        (
            {"name": "Foo"},
            "metadata.name: Invalid value: \"Foo\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        ({"namespace": ""}, "metadata.namespace: Required value"),
        (
            {"labels": {"a b": "x"}},
            "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
        (
            {"labels": {"a": "-"}},
            "metadata.labels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            {"annotations": {"a": "x" * 262145}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "", "uid": "u"}]},
            'metadata.ownerReferences.name: Invalid value: "": must not be empty',
        ),
        (
            {"finalizers": ["orphan", "foregroundDeletion"]},
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
        ),
    ],
)
def test_says_what_is_wrong(fields, expected):
    assert _validate(**fields) == [expected]


def test_generate_name_is_judged_as_a_prefix():
    assert _validate(generateName="web-") == []
    assert len(_validate(generateName="-web")) == 1


def test_cluster_scoped_objects_have_no_namespace():
    obj = {"metadata": {"name": "a", "namespace": "b"}}
    found = metadata.validate(obj, namespaced=False, name_rule=names.dns_subdomain)
    assert _texts(found) == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_only_one_controller():
    def owner(name):
        return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True}

    found = _validate(ownerReferences=[owner("a"), owner("b")])
    assert len(found) == 1
    assert found[0].endswith(
        'Only one reference can have Controller set to true. Found "true" in references for a and b'
    )


def _update(before, after):
    base = {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "5"}
    old, new = {"metadata": {**base, **before}}, {"metadata": {**base, **before, **after}}
    return _texts(metadata.validate_update(new, old))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {},
            {"resourceVersion": ""},
            ['metadata.resourceVersion: Invalid value: "": must be specified for an update'],
        ),
        ({}, {"name": "other"}, ['metadata.name: Invalid value: "other": field is immutable']),
        ({}, {"uid": "v"}, ['metadata.uid: Invalid value: "v": field is immutable']),
        (
            {"generation": 3},
            {"generation": 2},
            ["metadata.generation: Invalid value: 2: must not be decremented"],
        ),
        (
            {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]},
            {"finalizers": ["a/b", "c/d"]},
            [
                'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}'
            ],
        ),
        ({"finalizers": ["a/b"]}, {"finalizers": []}, []),
    ],
)
def test_update_rules(before, after, expected):
    assert _update(before, after) == expected


def test_several_findings_read_as_upstream_lists_them():
    causes = metadata.validate({"metadata": {}}, namespaced=True, name_rule=names.dns_subdomain)
    assert str(errors.invalid("Pod", "", causes)) == (
        'Pod "" is invalid: [metadata.name: Required value: name or generateName is required, metadata.namespace: Required value]'
    )
