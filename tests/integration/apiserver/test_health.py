"""Health endpoints: upstream's names and format, and checks that mean what they say."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from pinnace.apiserver.health import HOOK, STEPS
from pinnace.component import logs
from pinnace.store.backend import StoreUnavailable
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess


class Ailing(MemoryBackend):
    """A store that can be told not to answer."""

    is_ill = False

    async def revision(self) -> int:
        if self.is_ill:
            raise StoreUnavailable("the store is ill")
        return await super().revision()


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(api_server) as client:
        yield client


def session(api: ApiServerInProcess) -> aiohttp.ClientSession:
    tls = api.tls(api.authority.client("kubernetes-admin", ("system:masters",)))
    return aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(ssl=tls))


async def ask(http: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with http.get(path) as answer:
        assert answer.headers.get("X-Content-Type-Options", "nosniff") == "nosniff"
        return answer.status, await answer.text()


async def test_verbose_lists_upstreams_checks_in_its_format(http: aiohttp.ClientSession) -> None:
    code, text = await ask(http, "/readyz?verbose")
    lines = text.splitlines()
    assert code == 200
    assert lines[:4] == ["[+]ping ok", "[+]log ok", "[+]etcd ok", "[+]etcd-readiness ok"]
    assert lines[-2:] == ["[+]shutdown ok", "readyz check passed"]
    assert {f"[+]{step} ok" for step in STEPS} | {"[+]informer-sync ok"} <= set(lines)
    for path in ("/livez", "/healthz"):
        assert await ask(http, path) == (200, "ok")
        assert "shutdown" not in (await ask(http, f"{path}?verbose"))[1]
        assert f"[+]{HOOK}rbac/bootstrap-roles ok" in (await ask(http, f"{path}?verbose"))[1]
    async with http.get("/healthz") as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_single_checks_and_exclusions(http: aiohttp.ClientSession) -> None:
    assert await ask(http, f"/readyz/{HOOK}rbac/bootstrap-roles") == (200, "ok")
    assert (await ask(http, "/livez/informer-sync"))[0] == 404
    assert (await ask(http, "/livez/nothing"))[0] == 404
    text = (await ask(http, "/readyz?verbose&exclude=etcd&exclude=z&exclude=y"))[1]
    assert "[+]etcd excluded: ok\n" in text
    assert 'warn: some health checks cannot be excluded: no matches for "y","z"\n' in text


async def test_a_store_that_does_not_answer_fails_the_checks(tmp_path: Path) -> None:
    store = Ailing()
    async with ApiServerInProcess(tmp_path, backend=store) as api, session(api) as http:
        store.is_ill = True
        code, text = await ask(http, "/readyz")
        assert code == 500
        assert "[-]etcd failed: reason withheld\n" in text  # everybody may read this
        assert text.endswith("readyz check failed\n")
        assert await ask(http, "/readyz/etcd") == (500, "internal server error: the store is ill\n")
        assert (await ask(http, "/livez?exclude=etcd")) == (200, "ok")
        code, text = await ask(http, "/metrics/slis")
        assert 'kubernetes_healthcheck{name="etcd",type="readyz"} 0\n' in text
        assert 'kubernetes_healthchecks_total{name="etcd",status="error",type="readyz"} 2\n' in text


async def test_a_step_of_the_start_fails_until_it_is_done(api_server: ApiServerInProcess, http: aiohttp.ClientSession) -> None:  # fmt: skip
    health = api_server.server.services.health
    health.expect(HOOK + "late")
    assert await ask(http, f"/livez/{HOOK}late") == (500, "internal server error: not finished\n")
    assert (await ask(http, "/readyz"))[0] == 500
    health.done(HOOK + "late")
    assert (await ask(http, "/readyz"))[0] == 200


async def test_not_ready_but_alive_while_shutting_down(api_server: ApiServerInProcess, http: aiohttp.ClientSession) -> None:  # fmt: skip
    api_server.server.services.health.shutting_down = True
    assert await ask(http, "/livez") == (200, "ok")
    assert (await ask(http, "/readyz"))[0] == 500
    assert await ask(http, "/readyz/shutdown") == (500, "internal server error: process is shutting down\n")


@pytest.mark.parametrize(
    "path", ["/statusz", "/flagz", "/debug/pprof", "/debug/pprof/profile", "/logs", "/logs/"]
)
async def test_what_is_not_there_is_404(http: aiohttp.ClientSession, path: str) -> None:
    assert (await ask(http, path))[0] == 404


async def test_a_line_per_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    requests = logging.getLogger(logs.HTTPLOG)
    requests.setLevel(logging.INFO)
    try:
        async with ApiServerInProcess(tmp_path) as api, session(api) as http:
            headers = {"User-Agent": "probe/1", "Audit-ID": "the-audit"}
            async with http.get("/api/v1/namespaces?limit=1", headers=headers) as answer:
                assert answer.status == 200
            async with http.get("/api/v1/namespaces?watch=1") as watch:
                await watch.content.readline()
            while not any(line.__dict__["fields"]["verb"] == "WATCH" for line in caplog.records if line.name == logs.HTTPLOG):  # fmt: skip
                await asyncio.sleep(0)
    finally:
        requests.setLevel(logging.NOTSET)
    listed = next(line.__dict__["fields"] for line in caplog.records if line.name == logs.HTTPLOG)
    assert listed.pop("latency").endswith("ms")
    assert listed == {
        "verb": "LIST", "URI": "/api/v1/namespaces?limit=1", "userAgent": "probe/1", "audit-ID": "the-audit",
        "srcIP": "127.0.0.1", "resp": 200,
    }  # fmt: skip


async def test_no_line_per_request_unless_asked_for(http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    assert (await ask(http, "/api"))[0] == 200
    assert not [line for line in caplog.records if line.name == logs.HTTPLOG]
