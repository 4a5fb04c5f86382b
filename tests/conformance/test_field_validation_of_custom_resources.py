"""test/e2e/apimachinery/field_validation.go, for custom resources."""

import aiohttp
import pytest

from custom_resources import ANYTHING, definition, establish, version
from pinnace.client.rest import RestClient

PATH = "/apis/example.com/v1/namespaces/default/foos"
METADATA_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                    "x-kubernetes-list-type": "map",
                    "items": {
                        "type": "object",
                        "required": ["containerPort", "protocol"],
                        "properties": {"containerPort": {"type": "integer"}, "hostIP": {"type": "string"},
                                       "protocol": {"type": "string"}},
                    },
                },
                "template": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
                                   "spec": {"type": "object", "properties": {"ok": {"type": "boolean"}}}},
                },
            },
        }
    },
}  # fmt: skip
HEAD = '"apiVersion": "example.com/v1", "kind": "Foo"'


async def apply(http: aiohttp.ClientSession, text: str, mode: str = "Strict") -> tuple[int, dict]:
    parameters = {"fieldValidation": mode, "fieldManager": "test", "dryRun": "All"}
    headers = {"Content-Type": "application/apply-patch+yaml"}
    async with http.patch(f"{PATH}/a", data=text, params=parameters, headers=headers) as answer:
        return answer.status, await answer.json()


async def post(
    http: aiohttp.ClientSession, text: str, mode: str = "Strict", media: str = "application/json"
) -> tuple[int, dict, list[str]]:
    parameters, headers = {"fieldValidation": mode, "dryRun": "All"}, {"Content-Type": media}
    async with http.post(PATH, data=text, params=parameters, headers=headers) as answer:
        warnings = ", ".join(answer.headers.getall("Warning", []))
        return answer.status, await answer.json(), warnings.split(", ") if warnings else []


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should create/apply a CR with unknown fields for CRD with no validation schema [Conformance]"
)
async def test_without_a_schema_unknown_fields_are_fine(
    http: aiohttp.ClientSession, rest_client: RestClient
) -> None:
    await establish(rest_client, definition(version(schema=ANYTHING)))
    text = '{HEAD, "metadata": {"name": "a"}, "spec": {"unknown": 1}}'.replace("HEAD", HEAD)
    code, made, warnings = await post(http, text)
    assert (code, made["spec"], warnings) == (201, {"unknown": 1}, [])
    code, made = await apply(http, text)
    assert (code, made["spec"]) == (201, {"unknown": 1})


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should create/apply a valid CR for CRD with validation schema [Conformance]"
)
async def test_a_valid_object_is_taken(http: aiohttp.ClientSession, rest_client: RestClient) -> None:
    await establish(rest_client, definition(version(schema=METADATA_SCHEMA)))
    text = (
        '{HEAD, "metadata": {"name": "a"}, "spec": {"cronSpec": "* * * * */5", "ports": [{"containerPort": 8080, '
        '"protocol": "TCP"}]}}'.replace("HEAD", HEAD)
    )
    code, _, warnings = await post(http, text)
    assert (code, warnings) == (201, [])
    code, _ = await apply(http, text)
    assert code == 201


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should create/apply an invalid CR with extra properties for CRD with validation schema [Conformance]"
)
async def test_unknown_fields_are_refused_when_strict(
    http: aiohttp.ClientSession, rest_client: RestClient
) -> None:
    await establish(rest_client, definition(version(schema=METADATA_SCHEMA)))
    text = (
        '{HEAD, "metadata": {"name": "a"}, "spec": {"unknown1": "x", "cronSpec": "* * * * */5", "ports": [{"containerPort": '
        '8080, "protocol": "TCP", "unknown2": 1}]}}'.replace("HEAD", HEAD)
    )
    code, refused, _ = await post(http, text)
    assert code == 400
    assert 'strict decoding error: unknown field "spec.' in refused["message"]
    for finding in ('unknown field "spec.unknown1"', 'unknown field "spec.ports[0].unknown2"'):
        assert finding in refused["message"]
    code, made, warnings = await post(http, text, "Warn")
    assert (code, len(warnings)) == (201, 2)
    assert "unknown1" not in made["spec"]
    code, _, warnings = await post(http, text, "Ignore")
    assert (code, warnings) == (201, [])
    _, refused = await apply(http, text)
    assert ".spec.unknown1: field not declared in schema" in refused["message"]


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect unknown metadata fields in both the root and embedded object of a CR [Conformance]"
)
async def test_unknown_metadata_is_refused_at_the_root_and_in_embedded_objects(
    http: aiohttp.ClientSession, rest_client: RestClient
) -> None:
    await establish(rest_client, definition(version(schema=METADATA_SCHEMA)))
    text = (
        '{HEAD, "metadata": {"name": "a", "unknownMeta": "x"}, "spec": {"template": {"apiVersion": "foo/v1", "kind": "Sub", '
        '"metadata": {"name": "sub", "unknownSubMeta": "y"}}}}'.replace("HEAD", HEAD)
    )
    code, refused, _ = await post(http, text)
    assert code == 400
    for finding in ('"metadata.unknownMeta"', '"spec.template.metadata.unknownSubMeta"'):
        assert f"unknown field {finding}" in refused["message"]
    _, refused = await apply(http, text)
    assert ".metadata.unknownMeta: field not declared in schema" in refused["message"]


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect duplicates in a CR when preserving unknown fields [Conformance]"
)
async def test_repeated_fields_are_refused_even_where_everything_is_kept(
    http: aiohttp.ClientSession, rest_client: RestClient
) -> None:
    await establish(rest_client, definition(version(schema=ANYTHING)))
    text = """
apiVersion: example.com/v1
kind: Foo
metadata: {name: a}
spec:
  unknown: uk1
  unknown: uk2
"""
    code, refused, _ = await post(http, text, media="application/yaml")
    assert code == 400
    assert "spec.unknown" in refused["message"] or 'key "unknown" already set in map' in refused["message"]
    code, _, _ = await post(
        http, '{HEAD, "metadata": {"name": "a"}, "spec": {"x": 1, "x": 2}}'.replace("HEAD", HEAD)
    )
    assert code == 400
