"""Requests that are made to break something: each gets a clear answer, quickly, and the next one is served as before."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from custom_resources import FOOS, definition, establish
from pinnace.api.resources import ENDPOINTS, SERVICES
from pinnace.testing.api_server import ApiServerInProcess

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncGenerator[ApiServerInProcess, None]:
    async with ApiServerInProcess(tmp_path / "pki") as server:
        yield server


@pytest_asyncio.fixture
async def session(api: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api.tls(api.authority.client("kubernetes-admin", ("system:masters",)))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(api.url, connector=connector) as made:
        yield made


async def send(
    session: aiohttp.ClientSession, method: str, path: str, body: bytes = b"", media: str = "application/json"
) -> tuple[int, Any]:
    headers = {"Content-Type": media}
    async with asyncio.timeout(20), session.request(method, path, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize("levels", [300, 900, 100_000])
async def test_bodies_nested_too_deeply_are_refused_wherever_they_come(
    api: ApiServerInProcess, session: aiohttp.ClientSession, levels: int
) -> None:
    await establish(api.local_client(), definition())
    foos, value = FOOS.path("default"), deep(levels)
    foo = b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"f"},"x":%b}'
    assert (await send(session, "POST", foos, foo % b"1"))[0] == 201
    fields = b'{"metadata":{"name":"c","managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":%b}]}}'
    schema = b'{"type":"object","properties":{"a":' * levels + b'{"type":"string"}' + b"}}" * levels
    crd = b'{"metadata":{"name":"d.example.com"},"spec":{"group":"example.com","scope":"Cluster","names":{"plural":"d","kind":"D"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":%b}}]}}'
    tries = [
        ("POST", foos, foo.replace(b'"f"', b'"g"') % value, "application/json"),
        ("PUT", f"{foos}/f", foo % value, "application/json"),
        ("PATCH", f"{foos}/f", b'{"x":%b}' % value, "application/merge-patch+json"),
        (
            "PATCH",
            f"{foos}/f",
            b'[{"op":"add","path":"/x","value":%b}]' % value,
            "application/json-patch+json",
        ),
        ("PATCH", f"{foos}/f?fieldManager=m", foo % value, "application/apply-patch+yaml"),
        (
            "POST",
            CONFIG_MAPS,
            fields % value.replace(b'"a"', b'"f:a"').replace(b"1", b"{}"),
            "application/json",
        ),
        ("POST", CONFIG_MAPS, b'{"metadata":{"name":"y"},"data":%b}' % (b"[" * levels), "application/yaml"),
        ("POST", DEFINITIONS, crd % schema, "application/json"),
    ]
    for method, path, body, media in tries:
        status, answer = await send(session, method, path, body, media)
        assert status in (400, 413), (method, path, media, answer)
    assert (await send(session, "GET", f"{foos}/f"))[1]["x"] == 1


@pytest.mark.parametrize(
    "query",
    [
        f"watch=1&timeoutSeconds={'9' * 400}", f"limit={'9' * 400}", f"limit={2**63}", f"limit={'9' * 5000}",
        f"resourceVersion={'9' * 5000}", "continue=%FF", "labelSelector=(((", "fieldSelector=a", "timeout=1y",
    ],
)  # fmt: skip
async def test_numbers_and_selectors_that_nobody_can_mean_are_refused(
    session: aiohttp.ClientSession, query: str
) -> None:
    status, answer = await send(session, "GET", f"{CONFIG_MAPS}?{query}")
    assert status == 400, answer


async def test_an_object_does_not_grow_without_bound_by_patches(
    api: ApiServerInProcess, session: aiohttp.ClientSession
) -> None:
    await establish(api.local_client(), definition())
    path = FOOS.path("default")
    body = b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"f"}}'
    assert (await send(session, "POST", path, body))[0] == 201
    piece = b"x" * 1_000_000
    answers = [
        (
            await send(
                session, "PATCH", f"{path}/f", b'{"x%d":"%b"}' % (n, piece), "application/merge-patch+json"
            )
        )[0]
        for n in range(2)
    ]
    assert answers == [200, 413]
    bomb = ",".join(f'{{"op":"copy","from":"/x0","path":"/y{number}"}}' for number in range(5000))
    status, answer = await send(
        session, "PATCH", f"{path}/f", f"[{bomb}]".encode(), "application/json-patch+json"
    )
    assert (status, answer["reason"]) == (422, "Invalid")


async def test_heads_that_are_refused_late_leave_nothing_behind(
    api: ApiServerInProcess, session: aiohttp.ClientSession
) -> None:
    """They have been through the pipeline, and wait for the part of the server that speaks with backends."""
    body = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}]},
    }
    await api.local_client().create(SERVICES, body, "default")
    endpoints = {"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "s"},
                 "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}]}  # fmt: skip
    await api.local_client().create(ENDPOINTS, endpoints, "default")
    for _ in range(5):
        path = "/api/v1/namespaces/default/services/s/proxy/"
        async with session.get(path, headers={"X-Long": "x" * 100_000}) as answer:
            assert answer.status == 400
    assert len(api.server._listener._edge._given) <= 1
