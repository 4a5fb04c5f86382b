"""test/e2e/apimachinery/crd_publish_openapi.go: what definitions say reaches OpenAPI, and kubectl understands it."""

from typing import Any

import pytest
import yaml

from custom_resources import ANYTHING, change, definition, establish, foo, version
from integration.conftest import Kubectl, kubectl  # noqa: F401 - a fixture
from pinnace.client.rest import RestClient

PUBLISH = "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] "
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Foo CRD for Testing",
    "properties": {
        "spec": {
            "type": "object",
            "description": "Specification of Foo",
            "properties": {
                "bars": {
                    "type": "array",
                    "description": "List of Bars and their specs.",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "description": "Name of Bar."},
                            "age": {"type": "string", "description": "Age of Bar."},
                            "feeling": {"type": "string", "description": "Whether Bar is feeling great.", "enum": ["Great", "Down"]},
                            "bazs": {"type": "array", "description": "List of Bazs.", "items": {"type": "string"}},
                        },
                    },
                }
            },
        },
        "status": {"type": "object", "description": "Status of Foo", "properties": {"ready": {"type": "boolean"}}},
    },
}  # fmt: skip


async def v3(client: RestClient, group_version: str) -> dict[str, Any]:
    document: dict[str, Any] = await client.raw("GET", f"/openapi/v3/apis/{group_version}")
    return document["components"]["schemas"]


async def v2(client: RestClient) -> dict[str, Any]:
    document: dict[str, Any] = await client.raw("GET", "/openapi/v2")
    return document["definitions"]


def manifest(name: str = "a", **fields: Any) -> str:
    return yaml.safe_dump(foo(name, **fields))


@pytest.mark.slow
@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD with validation schema [Conformance]"
)
async def test_a_schema_is_published_validated_by_and_explained(
    rest_client: RestClient,
    kubectl: Kubectl,  # noqa: F811
) -> None:
    await establish(rest_client, definition(version(schema=SCHEMA)))
    published = (await v2(rest_client))["com.example.v1.Foo"]
    assert published["properties"]["spec"] == SCHEMA["properties"]["spec"]
    assert published["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "kind": "Foo", "version": "v1"}
    ]
    valid = manifest(spec={"bars": [{"name": "test-bar", "feeling": "Great"}]})
    for command in ("create", "apply"):
        await kubectl(command, "-f", "-", stdin=valid)
        await kubectl("delete", "foo", "a")
    for command in ("create", "apply"):
        wrong = await kubectl(
            command, "-f", "-", stdin=manifest(spec={"bars": [{"name": "x", "age2": "1"}]}), code=1
        )
        assert 'unknown field "spec.bars[0].age2"' in wrong.err
        wrong = await kubectl(command, "-f", "-", stdin=manifest(spec={"bars": [{"age": "10"}]}), code=1)
        assert "spec.bars[0].name: Required value" in wrong.err
        wrong = await kubectl(
            command,
            "-f",
            "-",
            stdin=manifest(spec={"bars": [{"name": "x", "feeling": "NonExistentValue"}]}),
            code=1,
        )
        assert 'Unsupported value: "NonExistentValue": supported values: "Great", "Down"' in wrong.err
    explained = (await kubectl("explain", "foos")).out
    assert "Foo CRD for Testing" in explained
    assert "Specification of Foo" in explained
    assert "List of Bars and their specs." in (await kubectl("explain", "foos.spec")).out
    assert "Name of Bar." in (await kubectl("explain", "foos.spec.bars")).out
    missing = await kubectl("explain", "foos.spec.bars2", code=1)
    assert 'field "bars2" does not exist' in missing.err


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD without validation schema [Conformance]"
)
async def test_without_a_schema_everything_is_taken(rest_client: RestClient, kubectl: Kubectl) -> None:  # noqa: F811
    await establish(rest_client, definition(version(schema=ANYTHING)))
    assert "properties" not in (await v2(rest_client))["com.example.v1.Foo"]
    text = manifest(a=1, b=[{"c": "x"}])
    for command in ("create", "apply"):
        await kubectl(command, "-f", "-", stdin=text)
        await kubectl("delete", "foo", "a")
    assert "DESCRIPTION:\n    <empty>" in (await kubectl("explain", "foos")).out


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields at the schema root [Conformance]"
)
async def test_a_root_that_keeps_unknown_fields_takes_them(rest_client: RestClient, kubectl: Kubectl) -> None:  # noqa: F811
    await establish(
        rest_client, definition(version(schema={**SCHEMA, "x-kubernetes-preserve-unknown-fields": True}))
    )
    text = manifest(unknown={"deep": [1]}, spec={"bars": [{"name": "x"}]})
    for command in ("create", "apply"):
        await kubectl(command, "-f", "-", stdin=text)
        await kubectl("delete", "foo", "a")
    assert "KIND:       Foo" in (await kubectl("explain", "foos")).out


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields in an embedded object [Conformance]"
)
async def test_an_embedded_object_that_keeps_unknown_fields_takes_them(
    rest_client: RestClient,
    kubectl: Kubectl,  # noqa: F811
) -> None:
    inner = {"type": "object", "description": "Specification of Waldo", "properties": {"dummy": {"type": "string"}},
             "x-kubernetes-preserve-unknown-fields": True}  # fmt: skip
    schema = {"type": "object", "description": "preserve-unknown-properties in nested field for Testing",
              "properties": {"spec": inner}}  # fmt: skip
    await establish(rest_client, definition(version(schema=schema)))
    text = manifest(spec={"b": [{"c": "d"}]})
    for command in ("create", "apply"):
        await kubectl(command, "-f", "-", stdin=text)
        await kubectl("delete", "foo", "a")
    assert "preserve-unknown-properties in nested field for Testing" in (await kubectl("explain", "foos")).out


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of different groups [Conformance]"
)
async def test_definitions_of_several_groups_are_published(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version(schema=SCHEMA), group="one.example.com"))
    await establish(rest_client, definition(version(schema=SCHEMA), group="two.example.com"))
    assert {"com.example.one.v1.Foo", "com.example.two.v1.Foo"} <= set(await v2(rest_client))
    assert "com.example.two.v1.Foo" in await v3(rest_client, "two.example.com/v1")


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group but different versions [Conformance]"
)
async def test_definitions_of_several_versions_are_published(rest_client: RestClient) -> None:
    both = (version("v2", SCHEMA), version("v3", SCHEMA, storage=False))
    await establish(rest_client, definition(*both))
    assert {"com.example.v2.Foo", "com.example.v3.Foo"} <= set(await v2(rest_client))
    await establish(rest_client, definition(version("v4", SCHEMA), plural="bars", kind="Bar"))
    await establish(rest_client, definition(version("v5", SCHEMA), plural="bazs", kind="Baz"))
    assert {"com.example.v4.Bar", "com.example.v5.Baz"} <= set(await v2(rest_client))


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group and version but different kinds [Conformance]"
)
async def test_definitions_of_several_kinds_are_published(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version("v6", SCHEMA)))
    await establish(rest_client, definition(version("v6", SCHEMA), plural="bars", kind="Bar"))
    assert {"com.example.v6.Foo", "com.example.v6.Bar"} <= set(await v3(rest_client, "example.com/v6"))


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] updates the published spec when one version gets renamed [Conformance]"
)
async def test_a_renamed_version_is_published_under_its_new_name(rest_client: RestClient) -> None:
    await establish(rest_client, definition(version("v2", SCHEMA), version("v3", SCHEMA, storage=False)))
    assert "com.example.v3.Foo" in await v2(rest_client)
    renamed = [version("v2", SCHEMA), version("v4", SCHEMA, storage=False)]
    await change(rest_client, "foos.example.com", versions=renamed)
    names = set(await v2(rest_client))
    assert {"com.example.v2.Foo", "com.example.v4.Foo"} <= names
    assert "com.example.v3.Foo" not in names


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] removes definition from spec when one version gets changed to not be served [Conformance]"
)
async def test_a_version_that_is_not_served_is_not_published(rest_client: RestClient) -> None:
    await establish(
        rest_client, definition(version("v5", SCHEMA), version("v6alpha1", SCHEMA, storage=False))
    )
    before = await v2(rest_client)
    assert "com.example.v6alpha1.Foo" in before
    unserved = {**version("v6alpha1", SCHEMA, storage=False), "served": False}
    await change(rest_client, "foos.example.com", versions=[version("v5", SCHEMA), unserved])
    after = await v2(rest_client)
    assert "com.example.v6alpha1.Foo" not in after
    assert after["com.example.v5.Foo"] == before["com.example.v5.Foo"]
    assert "example.com/v6alpha1" not in str(await rest_client.raw("GET", "/apis"))
