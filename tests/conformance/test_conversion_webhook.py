"""test/e2e/apimachinery/crd_conversion_webhook.go: objects are stored in one version and read in another."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from custom_resources import FOOS, GROUP, change, definition, establish, foo, version
from pinnace.api import meta
from pinnace.apimachinery.errors import InternalError
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.extension_server import ExtensionServer, reviewer

V2 = FOOS._replace(version="v2")
TEXT = {"type": "string"}
V1_SCHEMA = {"type": "object", "properties": {"hostPort": TEXT}}
V2_SCHEMA = {"type": "object", "properties": {"host": TEXT, "port": TEXT}}


def converted(obj: dict[str, Any], wanted: str) -> dict[str, Any]:
    new = {**obj, "apiVersion": wanted}
    if wanted.endswith("/v2"):
        new["host"], _, new["port"] = new.pop("hostPort", ":").partition(":")
    else:
        new["hostPort"] = f"{new.pop('host', '')}:{new.pop('port', '')}"
    return new


def versions(stored: str) -> list[dict[str, Any]]:
    return [
        version("v1", V1_SCHEMA, storage=stored == "v1"),
        version("v2", V2_SCHEMA, storage=stored == "v2"),
    ]


class Hook:
    """What the webhook does and has seen; tests change `answer`."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.answer = self.convert

    def convert(self, request: dict[str, Any]) -> dict[str, Any]:
        objects = [converted(obj, request["desiredAPIVersion"]) for obj in request["objects"]]
        return {"result": {"status": "Success"}, "convertedObjects": objects}


@pytest_asyncio.fixture
async def hook(api_server: ApiServerInProcess, rest_client: RestClient) -> AsyncGenerator[Hook, None]:
    """A definition with two versions, stored as v1, converted by a webhook."""
    state = Hook()
    handle = reviewer(lambda request: (state.answer)(request), state.seen)  # noqa: PLW0108 - tests replace the answer
    async with ExtensionServer(api_server, "hook", handle) as server:
        webhook = {
            "clientConfig": server.client_config("/convert"),
            "conversionReviewVersions": ["v1", "v1beta1"],
        }
        body = definition(*versions("v1"), conversion={"strategy": "Webhook", "webhook": webhook})
        await establish(rest_client, body)
        yield state


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert from CR v1 to CR v2 [Conformance]"
)
async def test_an_object_is_read_in_another_version(hook: Hook, rest_client: RestClient) -> None:
    await rest_client.create(FOOS, foo("a", hostPort="localhost:8080"), "default")
    read = await rest_client.get(V2, "a", "default")
    assert (read["apiVersion"], read["host"], read["port"]) == (f"{GROUP}/v2", "localhost", "8080")
    assert "hostPort" not in read
    review = hook.seen[0]
    assert (review["kind"], review["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
    assert review["request"]["desiredAPIVersion"] == f"{GROUP}/v2"
    labels = 'crd_name="foos.example.com",from_version="v1",succeeded="true",to_version="v2"'
    shown = await rest_client.raw("GET", "/metrics")
    assert f"apiserver_crd_conversion_webhook_duration_seconds_count{{{labels}}}" in shown


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert a non homogeneous list of CRs [Conformance]"
)
async def test_a_list_of_objects_stored_in_both_versions_is_converted(
    hook: Hook, rest_client: RestClient
) -> None:
    await rest_client.create(FOOS, foo("first", hostPort="one:1"), "default")
    await change(rest_client, "foos.example.com", versions=versions("v2"))
    second = foo("second", hostPort="two:2")
    await rest_client.create(FOOS, second, "default")
    listed = await rest_client.list(V2, "default")
    assert [(obj["apiVersion"], obj["host"], obj["port"]) for obj in listed["items"]] == [
        (f"{GROUP}/v2", "one", "1"),
        (f"{GROUP}/v2", "two", "2"),
    ]
    listed = await rest_client.list(FOOS, "default")
    assert [obj["hostPort"] for obj in listed["items"]] == ["one:1", "two:2"]


async def test_an_update_that_changes_nothing_brings_an_object_to_the_storage_version(
    hook: Hook, rest_client: RestClient, api_server: ApiServerInProcess
) -> None:
    made = await rest_client.create(FOOS, foo("a", hostPort="one:1"), "default")
    await change(rest_client, "foos.example.com", versions=versions("v2"))
    current = await rest_client.get(FOOS, "a", "default")
    assert meta.resource_version(current) == meta.resource_version(made)
    await rest_client.update(FOOS, current)
    base = api_server.server.services.registries.of(FOOS).storage.base  # type: ignore[attr-defined]
    assert (await base.get("a", "default")).obj["apiVersion"] == f"{GROUP}/v2"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"result": {"status": "Failure", "message": "no way"}}, "no way"),
        ({"result": {"status": "Failure"}}, "response.result.status was 'Failure', not 'Success'"),
        ({"result": {"status": "Success"}, "convertedObjects": []}, "returned 0 objects, expected 1"),
        ({"uid": "x", "result": {"status": "Success"}}, "expected response.uid="),
    ],
)
async def test_a_failing_webhook_is_an_internal_error(
    hook: Hook, rest_client: RestClient, answer: dict[str, Any], message: str
) -> None:
    await rest_client.create(FOOS, foo("a", hostPort="one:1"), "default")
    hook.answer = lambda _: answer  # type: ignore[method-assign]
    with pytest.raises(InternalError, match=message) as caught:
        await rest_client.get(V2, "a", "default")
    assert "conversion webhook for example.com/v1, Kind=Foo" in str(caught.value)


async def test_a_webhook_may_not_rename_objects(hook: Hook, rest_client: RestClient) -> None:
    def renamed(request: dict[str, Any]) -> dict[str, Any]:
        answer = hook.convert(request)
        answer["convertedObjects"][0]["metadata"]["name"] = "b"
        return answer

    await rest_client.create(FOOS, foo("a", hostPort="one:1"), "default")
    hook.answer = renamed  # type: ignore[method-assign]
    with pytest.raises(InternalError, match="must have the same name: a != b"):
        await rest_client.get(V2, "a", "default")
