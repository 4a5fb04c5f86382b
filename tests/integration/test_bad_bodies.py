"""Bodies that are damaged in transit or on purpose: refused with a 4xx that says why, and nothing is changed by them."""

import random

import aiohttp
import pytest

from integration.conftest import Wire
from pinnace.testing.api_server import MASTERS, ApiServerInProcess

PROTOBUF = "application/vnd.kubernetes.protobuf"
PODS = "/api/v1/namespaces/default/pods"
POD = {
    "metadata": {"name": "p", "labels": {"a": "b"}, "finalizers": ["example.com/x"]},
    "spec": {
        "serviceAccountName": "default",
        "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}],
        "tolerations": [{"operator": "Exists", "tolerationSeconds": 5, "effect": "NoExecute", "key": "k"}],
    },
}  # fmt: skip


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Cut, changed, doubled or filled at a random place; the four magic bytes stay."""
    place = chance.randrange(4, len(body))
    match chance.randrange(4):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]
        case 2:
            return body[:place] + body[place:] * 2
    return body[:place] + b"\xff" * chance.randrange(1, 12) + body[place:]


@pytest.mark.parametrize("seed", range(4))
async def test_damaged_protobuf_and_json_are_the_clients_fault(
    wire: Wire, api_server: ApiServerInProcess, seed: int
) -> None:
    account = {"metadata": {"name": "default"}}
    assert (await wire("POST", "/api/v1/namespaces/default/serviceaccounts", account)).status == 201
    made = await wire("POST", PODS, POD)
    assert made.status == 201, made
    as_json = await wire("GET", f"{PODS}/p")
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        async with session.get(f"{PODS}/p", headers={"Accept": PROTOBUF}) as answer:
            sound = await answer.read()
        text = str(as_json.body).replace("'", '"').encode()
        chance = random.Random(seed)
        for media, body in ((PROTOBUF, sound), ("application/json", text)):
            for _ in range(150):
                sent = damaged(body, chance)
                async with session.put(
                    f"{PODS}/p?dryRun=All", data=sent, headers={"Content-Type": media}
                ) as answer:
                    told = await answer.json()
                assert answer.status == 200 or 400 <= answer.status < 500, (sent, told)
                if answer.status != 200:
                    assert told["kind"] == "Status"
                    assert told["message"]
                    assert told["reason"]
    assert (await wire("GET", f"{PODS}/p")).body == as_json.body
