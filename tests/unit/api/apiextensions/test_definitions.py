"""Definitions: which are refused and how, what the server adds to them, and what real ones look like."""

from datetime import UTC, datetime
from typing import Any

import pytest

from custom_resources import definition, version
from pinnace.api import meta
from pinnace.api.apiextensions import conditions, schema_validation
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS as CRDS
from pinnace.api.strategies import strategy_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TEXT = {"type": "string"}
PATH = "spec.validation.openAPIV3Schema"


def findings(body: dict[str, Any]) -> list[str]:
    strategy = strategy_for(CRDS)
    strategy.default(body)
    strategy.prepare_create(body)
    return [f"{cause.field}: {cause.message}" for cause in strategy.validate(body)]


def of_spec(**changes: Any) -> list[str]:
    body = definition()
    body["spec"] |= changes
    return findings(body)


def of_schema(schema: dict[str, Any], **more: Any) -> list[str]:
    return findings(definition(version(schema=schema, **more)))


def test_defaults() -> None:
    body = definition()
    assert findings(body) == []
    assert body["spec"]["names"] == {
        "plural": "foos",
        "kind": "Foo",
        "singular": "foo",
        "listKind": "FooList",
    }
    assert body["spec"]["conversion"] == {"strategy": "None"}
    assert body["status"]["storedVersions"] == ["v1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": "nodots"}, 'spec.group: Invalid value: "nodots": should be a domain with at least one dot'),
        ({"scope": "Galaxy"}, 'spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"'),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields: Invalid value: true: cannot set to true"),
        ({"versions": [version(storage=False)]}, "must have exactly one version marked as storage version"),
        ({"versions": [version(), version(storage=False)]}, "must contain unique version names"),
        ({"versions": [version("V1")]}, "spec.versions[0].name: Invalid value"),
        ({"names": {"plural": "bars", "kind": "Foo"}}, 'must be spec.names.plural+"."+spec.group'),
        ({"names": {"plural": "foos", "kind": "Foo", "listKind": "Foo"}}, "kind and listKind may not be the same"),
        ({"conversion": {"strategy": "Webhook"}}, "spec.conversion.webhookClientConfig: Required value"),
        ({"versions": [version(deprecationWarning="x")]}, "can only be set for deprecated versions"),
        ({"group": "x.k8s.io"}, "metadata.annotations[api-approved.kubernetes.io]: Required value"),
    ],
)  # fmt: skip
def test_refused_definitions(changes: dict[str, Any], message: str) -> None:
    found = of_spec(**changes)
    assert any(message in one for one in found), found


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"properties": {}}, f"{PATH}.type: Required value: must not be empty at the root"),
        ({"type": "array", "items": TEXT}, f"{PATH}.type: Invalid value: \"array\": must be object at the root"),
        ({"type": "object", "properties": {"a": {}}}, f"{PATH}.properties[a].type: Required value: must not be empty for specified object fields"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, f"{PATH}.properties[a].items: Required value: must be specified"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, f"{PATH}.properties[a].type: Unsupported value: \"text\""),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}, "must be a valid regular expression"),
        ({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}, f"{PATH}.properties[a].default: Invalid value: \"string\""),
        ({"type": "object", "properties": {"a": {"type": "object", "properties": {}, "default": {"b": 1}}}}, "must not have unknown fields (b)"),
        ({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}, "must not specify anything other than name and generateName"),
        ({"type": "object", "allOf": [{"properties": {"b": {"minimum": 1}}}]}, f"{PATH}.properties[b]: Required value"),
        ({"type": "object", "properties": {"a": {"type": "string", "allOf": [{"type": "string"}]}}}, f"{PATH}.properties[a].allOf[0].type: Forbidden: must be empty to be structural"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "map"}}}, "x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": TEXT, "uniqueItems": True}}}, "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
        ({"type": "object", "properties": {"a": {"$ref": "#/b"}}}, "$ref: Forbidden: $ref is not supported"),
        ({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": TEXT}, "additionalProperties": TEXT}}}, "additionalProperties and properties are mutual exclusive"),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": False}, "must be true or undefined"),
    ],
)  # fmt: skip
def test_refused_schemas(schema: dict[str, Any], message: str) -> None:
    found = of_schema(schema)
    assert any(message in one for one in found), found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"additionalPrinterColumns": [{"name": "A", "type": "text", "jsonPath": ".a"}]}, "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string"),
        ({"additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": "a"}]}, "must be a simple json path starting with ."),
        ({"subresources": {"scale": {"specReplicasPath": ".a", "statusReplicasPath": ".status.a"}}}, "spec.subresources.scale.specReplicasPath: Invalid value: \".a\": should be a json path under .spec"),
        ({"selectableFields": [{"jsonPath": ".nothing"}]}, "is an invalid path: does not refer to a valid field"),
        ({"selectableFields": [{"jsonPath": ".list"}]}, "must point to a field of type string, boolean or integer"),
    ],
)  # fmt: skip
def test_refused_parts_of_a_version(more: dict[str, Any], message: str) -> None:
    schema = {"type": "object", "properties": {"a": TEXT, "list": {"type": "array", "items": TEXT}}}
    found = of_schema(schema, **more)
    assert any(message in one for one in found), found


def test_paths_of_several_versions_name_the_version() -> None:
    wrong = {"type": "object", "properties": {"a": {}}}
    body = definition(version("v1"), version("v2", wrong, storage=False))
    assert findings(body) == [
        "spec.versions[1].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields"
    ]


def test_names_are_accepted_unless_somebody_has_them() -> None:
    first = conditions.with_names(
        definition(names={"plural": "foos", "kind": "Foo", "shortNames": ["f"]}), [], NOW
    )
    assert meta.condition_is_true(first, "Established")
    second = definition(plural="fooz", kind="Fooz")
    second["spec"]["names"]["shortNames"] = ["f"]
    refused = conditions.with_names(second, [first], NOW)
    condition = meta.find_condition(refused, "NamesAccepted") or {}
    assert (condition["reason"], condition["message"]) == ("ShortNamesConflict", '"f" is already in use')
    assert not meta.condition_is_true(refused, "Established")
    assert refused["status"]["acceptedNames"] == {"plural": "fooz", "kind": "Fooz"}
    assert conditions.with_names(first, [second], NOW) == first


def rule(text: str) -> dict[str, str]:
    return {"rule": text, "message": "m"}


def test_a_schema_like_those_of_gateways_is_taken() -> None:
    """With the bounds that their authors have set, the costs of such rules are within the limits."""
    name = {"type": "string", "maxLength": 253}
    listener = {
        "type": "object",
        "required": ["name", "port", "protocol"],
        "properties": {"name": name, "hostname": name, "protocol": {"type": "string", "maxLength": 255},
                       "port": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535}},
    }  # fmt: skip
    listeners = {
        "type": "array", "maxItems": 64, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": listener,
        "x-kubernetes-validations": [
            rule("self.all(l1, self.exists_one(l2, l1.name == l2.name))"),
            rule("self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && "
                 "(has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))"),
        ],
    }  # fmt: skip
    source = {
        "type": "object",
        "properties": {
            "claim": {**TEXT, "x-kubernetes-validations": [rule("self == oldSelf")]},
            "content": TEXT,
        },
        "x-kubernetes-validations": [rule("has(self.claim) != has(self.content)")],
    }
    quantity = {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": "^[0-9]+$",
        "x-kubernetes-int-or-string": True,
    }
    spec = {"type": "object", "properties": {"listeners": listeners, "source": source, "size": quantity},
            "x-kubernetes-validations": [rule("!has(oldSelf.size) || has(self.size)"), rule("self == oldSelf")]}  # fmt: skip
    assert schema_validation.validate({"type": "object", "properties": {"spec": spec}}, PATH, True) == []
