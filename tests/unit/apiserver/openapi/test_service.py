import gzip
from typing import Any

import orjson
import pytest

from pinnace.api.resources import TABLE, Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.openapi import OpenApi
from pinnace.apiserver.openapi.gnostic import ACCEPTED, CONTENT_TYPE

SERVED = OpenApi(TABLE, "v1.36.0")
APPS = "/openapi/v3/apis/apps/v1"


def document(path: str) -> Any:
    answer = SERVED.answer(path)
    assert answer is not None
    assert answer.status == 200
    return orjson.loads(answer.body)


@pytest.fixture(scope="module")
def apps() -> Any:
    return document(APPS)


@pytest.fixture(scope="module")
def v2() -> Any:
    return document("/openapi/v2")


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_index_leads_to_every_document() -> None:
    paths = document("/openapi/v3")["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/metrics.k8s.io/v1beta1"} <= paths.keys()
    url, _, fingerprint = paths["apis/apps/v1"]["serverRelativeURL"].partition("?hash=")
    assert url == APPS
    answer = SERVED.answer(url, asked_hash=fingerprint)
    assert answer is not None
    assert answer.headers["ETag"] == f'"{fingerprint}"'
    assert "max-age" in answer.headers["Cache-Control"]


def test_an_outdated_hash_is_redirected_to_the_present_one() -> None:
    answer = SERVED.answer(APPS, asked_hash="OLD")
    assert answer is not None
    assert answer.status == 301
    assert answer.headers["Location"].startswith(f"{APPS}?hash=")


@pytest.mark.parametrize(
    "path", ["/openapi", "/openapi/v3/apis/nope/v1", "/openapi/v3/apis/apps", "/openapi/v4"]
)
def test_other_paths(path: str) -> None:
    assert SERVED.answer(path) is None


def test_what_the_client_holds_is_not_sent_again() -> None:
    first = SERVED.answer("/openapi/v2")
    assert first is not None
    again = SERVED.answer("/openapi/v2", if_none_match=first.headers["ETag"])
    assert again is not None
    assert (again.status, again.body) == (304, b"")


def test_a_custom_resource_changes_only_its_own_documents() -> None:
    crd = Resource(GVR("example.com", "v1", "widgets"), "Widget")
    other = OpenApi([*TABLE, crd], "v1.36.0")
    before, after = document("/openapi/v3")["paths"], orjson.loads(other.answer("/openapi/v3").body)["paths"]  # type: ignore[union-attr]
    assert after.pop("apis/example.com/v1")
    assert before == after


def test_compressed_when_the_client_takes_it() -> None:
    plain, packed = SERVED.answer(APPS), SERVED.answer(APPS, accept_encoding="deflate, gzip")
    assert plain is not None
    assert packed is not None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body


def test_negotiation() -> None:
    proto = SERVED.answer("/openapi/v2", accept=ACCEPTED)
    assert proto is not None
    assert proto.headers["Content-Type"] == CONTENT_TYPE
    with pytest.raises(errors.NotAcceptable):
        SERVED.answer("/openapi/v2", accept="text/html")
    with pytest.raises(errors.NotAcceptable):
        SERVED.answer(APPS, accept="application/com.github.proto-openapi.spec.v3@v1.0+protobuf")


def test_every_reference_of_a_document_is_answered_in_it(apps: Any, v2: Any) -> None:
    names = {f"#/components/schemas/{name}" for name in apps["components"]["schemas"]}
    assert references(apps) <= names
    assert references(v2) <= {f"#/definitions/{name}" for name in v2["definitions"]}


def test_schemas_are_openapi_and_not_json_schema(apps: Any, v2: Any) -> None:
    schemas = apps["components"]["schemas"]
    deployment = schemas["io.k8s.api.apps.v1.Deployment"]
    assert deployment["type"] == "object"
    assert deployment["x-kubernetes-group-version-kind"] == [
        {"group": "apps", "kind": "Deployment", "version": "v1"}
    ]
    assert "enum" not in deployment["properties"]["kind"]
    (ref,) = deployment["properties"]["spec"]["allOf"]
    assert ref == {"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}
    assert deployment["properties"]["spec"]["description"]
    number = schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert number == {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    old = v2["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert old == {"format": "int-or-string", "type": "string"}
    containers = v2["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert (containers["type"], containers["x-kubernetes-patch-merge-key"]) == ("array", "name")


def test_patch_tells_that_dry_run_and_field_validation_are_supported(apps: Any, v2: Any) -> None:
    path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    for found in (apps["paths"][path]["patch"], v2["paths"][path]["patch"]):
        names = {parameter["name"] for parameter in found["parameters"]}
        assert {"dryRun", "fieldValidation", "fieldManager", "force"} <= names
        assert found["x-kubernetes-action"] == "patch"
        assert found["x-kubernetes-group-version-kind"] == {
            "group": "apps",
            "kind": "Deployment",
            "version": "v1",
        }
        assert found["operationId"] == "patchAppsV1NamespacedDeployment"


def test_operations_of_scale_everywhere_and_connections(v2: Any) -> None:
    paths = v2["paths"]
    scale = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]
    assert scale["get"]["x-kubernetes-group-version-kind"]["kind"] == "Scale"
    everywhere = paths["/apis/apps/v1/deployments"]
    assert everywhere["get"]["operationId"] == "listAppsV1DeploymentForAllNamespaces"
    assert everywhere.keys() == {"get"}
    exec_path = paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]
    assert exec_path["post"]["x-kubernetes-action"] == "connect"
    assert "/api/v1/nodes/{name}/proxy/{path}" in paths
    identifiers = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert len(identifiers) == len(set(identifiers))
