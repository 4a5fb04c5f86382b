from typing import Any

import orjson
import pytest

from pinnace.apimachinery import schema_duplicates
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema import Schema, SchemaSet, compile_schema


@pytest.fixture(scope="module")
def schemas() -> SchemaSet:
    return SchemaSet()


@pytest.fixture(scope="module")
def deployment(schemas: SchemaSet) -> Schema:
    found = schemas.for_gvk(GVK("apps", "v1", "Deployment"))
    assert found is not None
    return found


def with_container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "web", **fields}]}}}}


def messages(schema: Schema, obj: dict[str, Any]) -> list[str]:
    return [problem.message for problem in schema.check(obj)]


def test_finds_kinds_of_every_group(schemas: SchemaSet) -> None:
    assert schemas.for_gvk(GVK("", "v1", "Pod")) is not None
    assert schemas.for_gvk(GVK("rbac.authorization.k8s.io", "v1", "ClusterRole")) is not None
    assert schemas.for_gvk(GVK("example.com", "v1", "Widget")) is None


def test_merge_facts(deployment: Schema) -> None:
    spec = deployment.fields["spec"]
    assert spec.fields["strategy"].patch_strategies == {"retainKeys"}
    pod = spec.fields["template"].fields["spec"]
    assert pod.fields["volumes"].patch_strategies == {"merge", "retainKeys"}
    containers = pod.fields["containers"]
    assert (containers.list_type, containers.list_keys, containers.merge_key) == ("map", ("name",), "name")
    assert containers.element is not None
    ports = containers.element.fields["ports"]
    assert ports.list_keys == ("containerPort", "protocol")
    assert ports.element is not None
    assert ports.element.fields["protocol"].default == "TCP"
    assert spec.fields["selector"].map_type == "atomic"
    assert deployment.fields["metadata"].fields["finalizers"].list_type == "set"


def test_a_good_object_has_no_problems(deployment: Schema) -> None:
    obj = with_container(
        resources={"limits": {"cpu": "100m", "memory": 5}},
        livenessProbe={"httpGet": {"port": "http"}, "periodSeconds": 3},
        securityContext={"privileged": False},
    )
    obj["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}
    obj["metadata"] = {"creationTimestamp": None, "labels": {"a": "b"}}
    assert messages(deployment, obj) == []


def test_unknown_fields_are_all_told_with_their_paths(deployment: Schema) -> None:
    obj = with_container(imagee="x")
    obj["spec"]["replicsa"] = 1
    assert messages(deployment, obj) == [
        'unknown field "spec.template.spec.containers[1].imagee"',
        'unknown field "spec.replicsa"',
    ]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            {"spec": {"replicas": "3"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": 1.5}},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": 1 << 40}},
            "json: cannot unmarshal number 1099511627776 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"paused": "yes"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            {"metadata": {"labels": {"a": 1}}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            {"metadata": {"labels": []}},
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            with_container(command="sh"),
            "json: cannot unmarshal string into Go struct field Container.spec.template.spec.containers.command of type []string",
        ),
        (
            {"spec": []},
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            with_container(resources={"limits": {"cpu": "lots"}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            with_container(livenessProbe={"httpGet": {"port": True}}),
            "json: cannot unmarshal bool into Go value of type int32",
        ),
        (
            {"metadata": {"deletionTimestamp": "soon"}},
            'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"',
        ),
    ],
)
def test_wrong_types_in_the_words_of_upstreams_decoder(
    deployment: Schema, obj: dict[str, Any], message: str
) -> None:
    assert messages(deployment, obj) == [message]


def test_bytes_must_be_base64(schemas: SchemaSet) -> None:
    secret = schemas.for_gvk(GVK("", "v1", "Secret"))
    assert secret is not None
    assert messages(secret, {"data": {"a": "aGk="}}) == []
    assert messages(secret, {"data": {"a": "aGk"}}) == ["illegal base64 data at input byte 0"]
    assert messages(secret, {"data": {"a": "?"}}) == ["illegal base64 data at input byte 0"]


def test_pruning_drops_unknown_fields_and_nulls_but_nothing_free_form(
    deployment: Schema, schemas: SchemaSet
) -> None:
    obj = with_container(imagee="x", command=None, env=[{"name": "A", "value": None}])
    obj["metadata"] = {"labels": {"a": None, "b": "c"}, "creationTimestamp": None}
    problems = deployment.prune(obj)
    assert [problem.kind for problem in problems] == ["unknown"]
    assert obj["spec"]["template"]["spec"]["containers"][1] == {"name": "web", "env": [{"name": "A"}]}
    assert obj["metadata"] == {"labels": {"a": "", "b": "c"}}
    revision = schemas.for_gvk(GVK("apps", "v1", "ControllerRevision"))
    assert revision is not None
    free = {"data": {"any": {"thing": None}}, "revision": 1}
    assert revision.prune(free) == []
    assert free == {"data": {"any": {"thing": None}}, "revision": 1}


def test_compiles_structural_schemas_of_custom_resources() -> None:
    raw = {
        "type": "object",
        "properties": {
            "port": {"x-kubernetes-int-or-string": True},
            "extra": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {"a": {"type": "string"}},
            },
            "keep": {"type": "integer", "default": 3},
        },
    }
    schema = compile_schema(raw, {}.__getitem__)
    assert schema.check({"port": "http", "extra": {"b": 1}}) == []
    assert schema.fields["keep"].default == 3
    assert messages(schema, {"nope": 1}) == ['unknown field "nope"']


@pytest.mark.parametrize(
    ("text", "may"),
    [
        (b'{"a": 1, "b": "x\\"y", "c": ["", {}]}\n', False),
        (b'{"a": 1, "a": 1}', True),
        (b'{"a": {"b": "", "b": ""}}', True),
        (b'{"a": "\\u0022", "a": "\\u0022", "b": ""}', True),
        (b'{"\\u0061": 1, "a": 2}', True),
        (b'{"a":' * 300 + b"1" + b"}" * 300, True),
    ],
)
def test_quotes_tell_when_there_are_no_duplicates(text: bytes, may: bool) -> None:
    assert schema_duplicates.may_hold_duplicates(text, orjson.loads(text)) is may


def test_duplicates_in_json() -> None:
    text = b'{"spec": {"replicas": 1, "x": [{"a": 1, "a": 2}], "replicas": 2}, "note": "\\"a\\": 1"}'
    found = schema_duplicates.in_json(text)
    assert [problem.message for problem in found] == [
        'duplicate field "spec.x[0].a"',
        'duplicate field "spec.replicas"',
    ]
    assert schema_duplicates.in_json(b'{"a": {"a": 1}, "b": ["a", "a"]}') == []
    assert schema_duplicates.in_json(b'{"a":' * 900 + b"1" + b"}" * 900) == []


def test_duplicates_in_yaml() -> None:
    (found,) = schema_duplicates.in_yaml(b"spec:\n  replicas: 1\n  other: {}\n  replicas: 2\n")
    assert found.message == 'yaml: unmarshal errors:\n  line 4: key "replicas" already set in map'
    assert schema_duplicates.in_yaml(b"a: 1\nb: {a: 1}\n") == []
