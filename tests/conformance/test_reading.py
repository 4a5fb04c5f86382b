"""test/e2e/apimachinery: chunking.go, table_conversion.go, server_version.go, discovery.go."""

from pathlib import Path

import aiohttp
import pytest

from pinnace.api import resources as r
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess

COUNT, LIMIT = 40, 17
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


async def templates(api: ApiServerInProcess) -> None:
    client = api.local_client()
    for index in range(COUNT):
        body = {
            "kind": "PodTemplate",
            "apiVersion": "v1",
            "metadata": {"name": f"t-{index:04}"},
            "template": TEMPLATE,
        }
        await client.create(r.POD_TEMPLATES, body, "default")


@pytest.mark.conformance(
    "[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls [Conformance]"
)
async def test_a_list_comes_in_chunks_of_one_version(api_server: ApiServerInProcess) -> None:
    await templates(api_server)
    client = api_server.rest_client()
    token, version, seen = "", "", 0
    while True:
        page = await client.list(r.POD_TEMPLATES, "default", limit=LIMIT, continue_token=token)
        about = page["metadata"]
        version = version or about["resourceVersion"]
        assert about["resourceVersion"] == version
        names = [item["metadata"]["name"] for item in page["items"]]
        assert names == [f"t-{index:04}" for index in range(seen, min(seen + LIMIT, COUNT))]
        seen += len(names)
        token = about.get("continue", "")
        if not token:
            assert "remainingItemCount" not in about
            break
        assert about["remainingItemCount"] == COUNT - seen
    assert seen == COUNT
    whole = await client.list(r.POD_TEMPLATES, "default")
    assert len(whole["items"]) == COUNT
    assert "continue" not in whole["metadata"]


@pytest.mark.conformance(
    "[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow] [Conformance]"
)
async def test_a_list_goes_on_inconsistently_after_compaction(tmp_path: Path) -> None:
    backend = MemoryBackend()
    async with ApiServerInProcess(tmp_path / "pki", backend=backend) as api:
        await templates(api)
        tls = api.tls(api.authority.client("admin", ("system:masters",)))
        async with aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(ssl=tls)) as http:
            path = "/api/v1/namespaces/default/podtemplates"

            async def page(token: str) -> tuple[int, dict]:
                query = {"limit": str(LIMIT), **({"continue": token} if token else {})}
                async with http.get(path, params=query) as answer:
                    return answer.status, await answer.json()

            _, first = await page("")
            await api.local_client().delete(r.POD_TEMPLATES, "t-0039", "default")  # a later version
            await backend.compact(await backend.revision())
            code, expired = await page(first["metadata"]["continue"])
            assert (code, expired["reason"]) == (410, "Expired")
            token = expired["metadata"]["continue"]
            assert token
            seen, version = LIMIT, ""
            while token:
                code, found = await page(token)
                assert code == 200
                assert found["items"][0]["metadata"]["name"] == f"t-{seen:04}"
                version = version or found["metadata"]["resourceVersion"]
                assert found["metadata"]["resourceVersion"] == version != first["metadata"]["resourceVersion"]
                seen += len(found["items"])
                token = found["metadata"].get("continue", "")
                assert found["metadata"].get("remainingItemCount", 0) == COUNT - 1 - seen
            assert seen == COUNT - 1


@pytest.mark.conformance(
    "[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not implement metadata [Conformance]"
)
async def test_what_is_no_stored_object_has_no_table(http: aiohttp.ClientSession) -> None:
    review = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}},
    }
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    async with http.post(path, json=review, headers=table) as answer:
        assert answer.status == 406
        assert (await answer.json())["reason"] == "NotAcceptable"


@pytest.mark.conformance("[sig-api-machinery] server version should find the server version [Conformance]")
async def test_the_version_has_two_whole_numbers(http: aiohttp.ClientSession) -> None:
    async with http.get("/version") as answer:
        version = await answer.json()
    assert version["major"].isdecimal()
    assert version["minor"].isdecimal()
