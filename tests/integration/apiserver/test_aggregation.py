"""API aggregation: an extension API server in this process behind an APIService."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.extension_server import ExtensionServer
from pinnace.testing.wait import eventually

Object = dict[str, Any]
GROUP, VERSION = "wardle.example.com", "v1alpha1"
NAME = f"{VERSION}.{GROUP}"
FLUNDERS = GVR(GROUP, VERSION, "flunders")
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class SampleServer(ExtensionServer):
    """As upstream's sample-apiserver: `flunders`, kept in a dictionary, asked only by the front proxy."""

    def __init__(self, api: ApiServerInProcess, *, aggregated: bool = False) -> None:
        super().__init__(api, "sample-api", self._serve, client_ca=str(api.proxy_authority.ca))
        self.objects: dict[str, Object] = {}
        self.deletions: list[Object] = []
        self.seen: list[web.BaseRequest] = []
        self.certificates: set[str] = set()
        self.aggregated, self.healthy = aggregated, True

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(http)
        peer = http.transport.get_extra_info("peercert") if http.transport else None
        self.certificates.add(dict(entry[0] for entry in peer["subject"])["commonName"] if peer else "")
        if not self.healthy:
            return web.Response(status=500, text="sick")
        match http.path.strip("/").split("/"):
            case [*_, "echo"]:
                socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io"])
                await socket.prepare(http)  # type: ignore[arg-type]  # the low-level server's request
                async for message in socket:
                    await socket.send_str(f"{http.headers['X-Remote-User']}: {message.data}")
                return socket
            case ["apis"] if self.aggregated:
                return self._aggregated()
            case ["apis", _, _]:
                return web.json_response(RESOURCES)
            case ["openapi", "v3"]:
                place = f"apis/{GROUP}/{VERSION}"
                return web.json_response(
                    {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}?hash=1"}}}
                )
            case ["openapi", "v3", *_]:
                return web.json_response({"openapi": "3.0.0", "info": {"title": "wardle"}})
            case ["openapi", "v2"]:
                return web.json_response(OPENAPI)
            case ["apis", _, _, "namespaces", namespace, "flunders", *rest]:
                return await self._flunders(http, namespace, rest)
        return web.json_response(
            {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404},
            status=404,
        )

    def _aggregated(self) -> web.Response:
        kind = {"group": "", "version": "", "kind": "Flunder"}
        resource = {"resource": "flunders", "responseKind": kind, "scope": "Namespaced", "singularResource": "flunder",
                    "verbs": ["get"]}  # fmt: skip
        versions = [{"version": VERSION, "resources": [resource], "freshness": "Current"}]
        body = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
                "items": [{"metadata": {"name": GROUP}, "versions": versions}]}  # fmt: skip
        return web.Response(body=orjson.dumps(body), headers={"Content-Type": V2})

    async def _flunders(self, http: web.BaseRequest, namespace: str, rest: list[str]) -> web.StreamResponse:
        if http.method == "POST":
            made = await http.json()
            self.objects[made["metadata"]["name"]] = made
            return web.json_response(made, status=201)
        if http.method == "DELETE":
            self.deletions.append(await http.json() if http.body_exists else {})
            return web.json_response(self.objects.pop(rest[0]))
        if rest:
            return web.json_response(self.objects[rest[0]])
        if http.query.get("watch"):
            response = web.StreamResponse()
            await response.prepare(http)
            for obj in self.objects.values():
                await response.write(orjson.dumps({"type": "ADDED", "object": obj}) + b"\n")
            await asyncio.sleep(30)
            return response
        items = list(self.objects.values())
        return web.json_response(
            {"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
        )


RESOURCES = {
    "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder",
         "verbs": ["create", "delete", "get", "list", "watch"], "shortNames": ["fl"]},
        {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}  # fmt: skip
OPENAPI = {
    "swagger": "2.0",
    "paths": {
        f"/apis/{GROUP}/{VERSION}/flunders": {"get": {"schema": {"$ref": "#/definitions/wardle.Flunder"}}},
        "/elsewhere": {},
    },
    "definitions": {"wardle.Flunder": {"type": "object"}, "wardle.Unused": {"type": "object"}},
}


def api_service(server: ExtensionServer | None = None, **changes: Any) -> Object:
    spec: Object = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200}
    if server is not None:
        spec |= {
            "service": {"namespace": server.namespace, "name": server.name},
            "caBundle": server.ca_bundle,
        }
    return {
        "kind": "APIService",
        "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": NAME},
        "spec": {**spec, **changes},
    }


def condition(obj: Object) -> tuple[str, str]:
    found = ((obj.get("status") or {}).get("conditions") or [{"status": "", "reason": ""}])[0]
    return found["status"], found["reason"]


async def reason(client: RestClient, wanted: str) -> Object:
    async def has() -> Object | None:
        obj = await client.get(r.API_SERVICES, NAME)
        return obj if condition(obj)[1] == wanted else None

    return await eventually(has)


@pytest_asyncio.fixture
async def server(api_server: ApiServerInProcess) -> AsyncGenerator[SampleServer, None]:
    async with SampleServer(api_server) as sample:
        yield sample


@pytest_asyncio.fixture
async def client(api_server: ApiServerInProcess, server: SampleServer, rest_client: RestClient) -> RestClient:
    await rest_client.create(r.API_SERVICES, api_service(server))
    await reason(rest_client, "Passed")
    server.seen.clear()
    return rest_client


def flunder(name: str) -> Object:
    return {
        "kind": "Flunder",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {"name": name, "namespace": "default"},
    }


@pytest.mark.conformance(
    "[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator "
    "[LinuxOnly] [Conformance]"
)
async def test_a_sample_api_server_is_aggregated(client: RestClient, server: SampleServer) -> None:
    service = await client.get(r.API_SERVICES, NAME)
    assert service["spec"]["service"]["port"] == 443
    await client.create(FLUNDERS, flunder("a"), "default")
    assert (await client.get(FLUNDERS, "a", "default"))["kind"] == "Flunder"
    assert [item["metadata"]["name"] for item in (await client.list(FLUNDERS, "default"))["items"]] == ["a"]
    assert "flunders" in [
        entry["name"] for entry in (await client.raw("GET", f"/apis/{GROUP}/{VERSION}"))["resources"]
    ]
    await client.delete(FLUNDERS, "a", "default")
    assert (await client.list(FLUNDERS, "default"))["items"] == []
    await client.patch(r.API_SERVICES, NAME, {"spec": {"versionPriority": 400}})
    status = await client.get(r.API_SERVICES, NAME, subresource="status")
    assert (condition(status), status["spec"]["versionPriority"]) == (("True", "Passed"), 400)
    change = {"status": {"conditions": [{**status["status"]["conditions"][0], "message": "said so"}]}}
    changed = await client.patch(r.API_SERVICES, NAME, change, subresource="status")
    assert changed["status"]["conditions"][0]["message"] == "said so"
    await client.patch(r.API_SERVICES, NAME, {"metadata": {"labels": {"e2e": "yes"}}})
    await client.delete_collection(r.API_SERVICES, label_selector="e2e=yes")
    with pytest.raises(errors.NotFound):
        await client.get(r.API_SERVICES, NAME)
    with pytest.raises(errors.NotFound):
        await client.list(FLUNDERS, "default")


async def test_the_front_proxy_says_who_asks(
    api_server: ApiServerInProcess, client: RestClient, server: SampleServer
) -> None:
    import aiohttp

    await client.list(FLUNDERS, "default")
    headers = server.seen[-1].headers
    assert headers["X-Remote-User"] == "kubernetes-admin"
    assert set(headers.getall("X-Remote-Group")) == {"system:masters", "system:authenticated"}
    assert server.certificates == {"front-proxy-client"}
    assert headers["Host"] == "sample-api.default.svc"
    forged = {
        "X-Remote-User": "root",
        "X-Remote-Extra-A": "b",
        "Impersonate-User": "jane",
        "Impersonate-Extra-x%2fy": "z",
    }
    tls = api_server.tls(api_server.authority.client("kubernetes-admin", ("system:masters",)))
    url = f"{api_server.url}/apis/{GROUP}/{VERSION}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=forged, ssl=tls) as answer:
        assert answer.status == 200, await answer.text()
    headers = server.seen[-1].headers
    assert headers.getall("X-Remote-User") == ["jane"]
    assert headers.getall("X-Remote-Extra-X%2Fy") == ["z"]
    assert not {"X-Remote-Extra-A", "Impersonate-User", "Authorization"} & set(headers)


async def test_a_watch_streams(client: RestClient, server: SampleServer) -> None:
    await client.create(FLUNDERS, flunder("w"), "default")
    stream = client.watch(FLUNDERS, "default", resource_version="0")
    event = await anext(stream)
    assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "w")
    await stream.aclose()


async def test_upgrades_are_passed_on(api_server: ApiServerInProcess, client: RestClient) -> None:
    import aiohttp

    tls = api_server.tls(api_server.authority.client("kubernetes-admin", ("system:masters",)))
    url = f"{api_server.url}/apis/{GROUP}/{VERSION}/namespaces/default/flunders/a/echo"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, ssl=tls, protocols=["v5.channel.k8s.io"]) as socket,
    ):
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_str("hello")
        assert await socket.receive_str() == "kubernetes-admin: hello"


async def test_a_body_is_passed_on_whole(client: RestClient, server: SampleServer) -> None:
    text = "x" * 1_000_000
    await client.create(FLUNDERS, {**flunder("big"), "text": text}, "default")
    assert server.objects["big"]["text"] == text


async def test_callers_in_the_process_get_whole_answers(
    api_server: ApiServerInProcess, client: RestClient, server: SampleServer
) -> None:
    local = api_server.local_client()
    await local.create(FLUNDERS, flunder("l"), "default")
    assert [item["metadata"]["name"] for item in (await local.list(FLUNDERS, "default"))["items"]] == ["l"]
    stream = local.watch(FLUNDERS, "default", resource_version="0")
    event = await anext(stream)
    assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "l")
    await stream.aclose()
    await local.delete(FLUNDERS, "l", "default", uid="7")
    assert server.objects == {}
    assert server.deletions == [{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "7"}}]


async def test_reasons_of_unavailability(
    api_server: ApiServerInProcess, server: SampleServer, rest_client: RestClient
) -> None:
    client = rest_client
    service = {"namespace": "default", "name": "nowhere", "port": 443}
    await client.create(r.API_SERVICES, api_service(server, service=service))
    found = await reason(client, "ServiceNotFound")
    assert found["status"]["conditions"][0]["message"] == 'service/nowhere in "default" is not present'
    await client.patch(r.API_SERVICES, NAME, {"spec": {"service": {"name": "sample-api", "port": 9}}})
    await reason(client, "ServicePortError")
    plain = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "lone"},
        "spec": {"ports": [{"port": 443}]},
    }
    await client.create(r.SERVICES, plain, "default")
    await client.patch(r.API_SERVICES, NAME, {"spec": {"service": {"name": "lone", "port": 443}}})
    await reason(client, "EndpointsNotFound")
    await server.set_ready(False)
    await client.patch(r.API_SERVICES, NAME, {"spec": {"service": {"name": "sample-api"}}})
    await reason(client, "MissingEndpoints")
    server.healthy = False
    await server.set_ready(True)
    found = await reason(client, "FailedDiscoveryCheck")
    assert (
        "bad status from https://sample-api.default.svc/apis/wardle.example.com/v1alpha1: 500"
        in found["status"]["conditions"][0]["message"]
    )
    with pytest.raises(errors.StatusError) as refused:
        await client.list(FLUNDERS, "default")
    assert refused.value.code == 503
    server.healthy = True
    assert condition(await reason(client, "Passed")) == ("True", "Passed")


async def test_groups_are_merged_by_priority(client: RestClient) -> None:
    groups = (await client.raw("GET", "/apis"))["groups"]
    names = [group["name"] for group in groups]
    assert names[:2] == ["apiregistration.k8s.io", "apps"]
    assert names.index("coordination.k8s.io") < names.index(GROUP) < names.index("metrics.k8s.io")
    own = await client.raw("GET", f"/apis/{GROUP}")
    assert own["preferredVersion"] == {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}


@pytest.mark.parametrize("aggregated", [True, False])
async def test_aggregated_discovery_has_the_group_and_tells_staleness(
    api_server: ApiServerInProcess, rest_client: RestClient, aggregated: bool
) -> None:
    import aiohttp

    tls = api_server.tls(api_server.authority.client("kubernetes-admin", ("system:masters",)))

    async def found() -> Object:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{api_server.url}/apis", headers={"Accept": V2}, ssl=tls) as answer,
        ):
            listed = await answer.json()
        return next(item for item in listed["items"] if item["metadata"]["name"] == GROUP)["versions"][0]

    async with SampleServer(api_server, aggregated=aggregated) as server:
        await rest_client.create(r.API_SERVICES, api_service(server))
        await reason(rest_client, "Passed")
        version = await found()
        assert (version["version"], version["freshness"]) == (VERSION, "Current")
        assert version["resources"][0]["resource"] == "flunders"
        await server.set_ready(False)
        await reason(rest_client, "MissingEndpoints")
        version = await found()
        assert (version["freshness"], version["resources"][0]["resource"]) == ("Stale", "flunders")


async def test_openapi_is_merged(client: RestClient) -> None:
    place = f"apis/{GROUP}/{VERSION}"
    index = await client.raw("GET", "/openapi/v3")
    assert index["paths"][place] == {"serverRelativeURL": f"/openapi/v3/{place}?hash=1"}
    assert "apis/apps/v1" in index["paths"]
    assert (await client.raw("GET", f"/openapi/v3/{place}"))["info"]["title"] == "wardle"
    whole = await client.raw("GET", "/openapi/v2")
    assert f"/apis/{GROUP}/{VERSION}/flunders" in whole["paths"]
    assert "/elsewhere" not in whole["paths"]
    assert "wardle.Flunder" in whole["definitions"]
    assert "wardle.Unused" not in whole["definitions"]


async def test_every_group_of_this_server_has_its_api_service(rest_client: RestClient) -> None:
    found = {item["metadata"]["name"]: item for item in (await rest_client.list(r.API_SERVICES))["items"]}
    assert {"v1.", "v1.apps", "v1.batch", "v1beta1.metrics.k8s.io"} <= set(found)
    assert "v1.apiregistration.k8s.io" not in found
    assert {condition(item) for item in found.values()} == {("True", "Local")}
    assert (found["v1."]["spec"]["groupPriorityMinimum"], found["v1.apps"]["spec"]["versionPriority"]) == (
        18000,
        15,
    )
    assert found["v1.apps"]["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}


async def test_another_server_may_take_metrics_over(
    api_server: ApiServerInProcess, server: SampleServer, rest_client: RestClient
) -> None:
    service = {"namespace": "default", "name": server.name, "port": 443}
    change = {"spec": {"service": service, "caBundle": server.ca_bundle}}
    await rest_client.patch(r.API_SERVICES, "v1beta1.metrics.k8s.io", change)

    async def passed() -> bool:
        return condition(await rest_client.get(r.API_SERVICES, "v1beta1.metrics.k8s.io")) == (
            "True",
            "Passed",
        )

    await eventually(passed)
    with pytest.raises(errors.NotFound):
        await rest_client.raw("GET", "/apis/metrics.k8s.io/v1beta1/nodes")
    assert server.seen[-1].path == "/apis/metrics.k8s.io/v1beta1/nodes"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"groupPriorityMinimum": 0},
            "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
        ),
        (
            {"versionPriority": 1001},
            "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
        ),
        (
            {"version": "v2"},
            'metadata.name: Invalid value: "v1alpha1.wardle.example.com": must be `spec.version',
        ),
        ({"caBundle": "aGk="}, "spec.caBundle: Invalid value: "),
        ({"insecureSkipTLSVerify": True}, "local APIServices may not have insecureSkipTLSVerify"),
        ({"service": {"name": "a"}}, "spec.service.namespace: Required value"),
    ],
)
async def test_findings(rest_client: RestClient, changes: Object, words: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        await rest_client.create(r.API_SERVICES, api_service(**changes))
    assert words in refused.value.message


async def test_request_headers_count_only_from_the_front_proxy(api_server: ApiServerInProcess) -> None:
    import aiohttp

    url = f"{api_server.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    headers = [("X-Remote-User", "jane"), ("X-Remote-Group", "a"), ("X-Remote-Group", "b"), ("X-Remote-Uid", "7"),
               ("X-Remote-Extra-Acme.com%2fproject", "p")]  # fmt: skip

    async def ask(pair: Any, given: list[tuple[str, str]]) -> Object:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=review, headers=given, ssl=api_server.tls(pair)) as answer,
        ):
            body: Object = await answer.json()
        return body["status"]["userInfo"] if answer.status == 201 else {"code": answer.status}

    proxy = api_server.proxy_authority
    found = await ask(proxy.client("front-proxy-client"), headers)
    assert (found["username"], found["uid"], found["extra"]) == ("jane", "7", {"acme.com/project": ["p"]})
    assert found["groups"] == ["a", "b", "system:authenticated"]
    assert await ask(proxy.client("front-proxy-client"), []) == {"code": 403}, (
        "the certificate itself is no user"
    )
    assert await ask(proxy.client("somebody-else"), headers) == {"code": 403}
    admin = await ask(api_server.authority.client("kubernetes-admin", ("system:masters",)), headers)
    assert admin["username"] == "kubernetes-admin"


async def test_extension_servers_learn_how_to_recognise_users(
    api_server: ApiServerInProcess, rest_client: RestClient
) -> None:
    found = (await rest_client.get(r.CONFIG_MAPS, "extension-apiserver-authentication", "kube-system"))[
        "data"
    ]
    assert found["client-ca-file"] == api_server.authority.ca.read_text()
    assert found["requestheader-client-ca-file"] == api_server.proxy_authority.ca.read_text()
    assert found["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert found["requestheader-username-headers"] == '["X-Remote-User"]'
    assert found["requestheader-group-headers"] == '["X-Remote-Group"]'
    assert found["requestheader-extra-headers-prefix"] == '["X-Remote-Extra-"]'
