"""Discovery, plain and aggregated: what test/e2e/apimachinery/discovery.go and aggregated_discovery.go demand."""

from typing import Any

import aiohttp
import pytest

from custom_resources import GROUP, definition, establish
from pinnace.api import resources as r
from pinnace.apiserver.discovery import AGGREGATED_VERSIONS
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess

Object = dict[str, Any]
AGGREGATED = "[sig-api-machinery] AggregatedDiscovery should support "
FORM = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
BUILT_IN = (
    ("", "v1", "namespaces"), ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"), ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"), ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "subjectaccessreviews"), ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"), ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"), ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"), ("networking.k8s.io", "v1", "ingresses"), ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"), ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"), ("storage.k8s.io", "v1", "storageclasses"),
)  # fmt: skip


@pytest.mark.conformance(
    "[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup [Conformance]"
)
async def test_every_group_has_a_preferred_version(rest_client: RestClient) -> None:
    groups = (await rest_client.raw("GET", "/apis"))["groups"]
    assert len(groups) > 10
    for listed in groups:
        group = await rest_client.raw("GET", f"/apis/{listed['name']}")
        preferred = group["preferredVersion"]
        assert preferred["groupVersion"] == f"{listed['name']}/{preferred['version']}"
        assert preferred in group["versions"]


@pytest.mark.conformance(
    "[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup [Conformance]"
)
async def test_every_version_lists_its_resources(rest_client: RestClient) -> None:
    for group, version, resource in BUILT_IN:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        listed = await rest_client.raw("GET", path)
        assert listed["groupVersion"] == (f"{group}/{version}" if group else version)
        assert resource in [entry["name"] for entry in listed["resources"]]


async def aggregated(api: ApiServerInProcess, path: str, accept: str) -> tuple[str, Object]:
    tls = api.tls(api.authority.client("kubernetes-admin", ("system:masters",)))
    async with (
        aiohttp.ClientSession() as session,
        session.get(api.url + path, headers={"Accept": accept}, ssl=tls) as answer,
    ):
        assert answer.status == 200
        return answer.headers["Content-Type"], await answer.json()


def resources(listed: Object) -> set[tuple[str, str, str]]:
    return {
        (item["metadata"].get("name", ""), version["version"], resource["resource"])
        for item in listed["items"]
        for version in item["versions"]
        for resource in version["resources"]
    }


@pytest.mark.conformance(f"{AGGREGATED}aggregated discovery interface [Conformance]")
async def test_one_answer_tells_all_built_in_resources(api_server: ApiServerInProcess) -> None:
    found: set[tuple[str, str, str]] = set()
    for path in ("/api", "/apis"):
        _, listed = await aggregated(
            api_server, path, f"{FORM.format('v2')},{FORM.format('v2beta1')},application/json"
        )
        assert (listed["kind"], listed["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
        assert {version["freshness"] for item in listed["items"] for version in item["versions"]} == {
            "Current"
        }
        found |= resources(listed)
    assert set(BUILT_IN) <= found


@pytest.mark.parametrize("version", AGGREGATED_VERSIONS)
@pytest.mark.conformance(f"{AGGREGATED}raw aggregated discovery endpoint Accept headers [Conformance]")
async def test_the_accept_header_chooses_the_form(api_server: ApiServerInProcess, version: str) -> None:
    media, listed = await aggregated(api_server, "/apis", FORM.format(version))
    assert listed["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert (
        media.replace(" ", "")
        == f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    )
    assert {row for row in BUILT_IN if row[0]} <= resources(listed)
    _, plain = await aggregated(api_server, "/apis", "application/json")
    assert plain["kind"] == "APIGroupList"


@pytest.mark.conformance(f"{AGGREGATED}aggregated discovery interface for CRDs [Conformance]")
async def test_custom_resources_are_in_the_answer(
    api_server: ApiServerInProcess, rest_client: RestClient
) -> None:
    await establish(rest_client, definition())
    _, listed = await aggregated(api_server, "/apis", FORM.format("v2"))
    assert (GROUP, "v1", "foos") in resources(listed)
    await rest_client.delete(r.CUSTOM_RESOURCE_DEFINITIONS, f"foos.{GROUP}")


@pytest.mark.parametrize("version", AGGREGATED_VERSIONS)
@pytest.mark.conformance(f"{AGGREGATED}raw aggregated discovery request for CRDs [Conformance]")
async def test_custom_resources_are_in_both_forms(
    api_server: ApiServerInProcess, rest_client: RestClient, version: str
) -> None:
    await establish(rest_client, definition())
    _, listed = await aggregated(api_server, "/apis", FORM.format(version))
    item = next(item for item in listed["items"] if item["metadata"]["name"] == GROUP)
    (resource,) = item["versions"][0]["resources"]
    assert (resource["resource"], resource["responseKind"]["kind"], resource["scope"]) == (
        "foos",
        "Foo",
        "Namespaced",
    )
