"""Priority and fairness at a real server: a noisy client does not keep others waiting."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.flowcontrol.levels import Level
from pinnace.apiserver.request_info import RequestInfo
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

NOISY = ("noisy", ("system:authenticated", "testers"))
QUIET = ("quiet", ("system:authenticated", "testers"))


async def allow(api: ApiServerInProcess) -> None:
    binding = {
        "kind": "ClusterRoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "testers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "testers"}],
    }
    await api.local_client().create(r.CLUSTER_ROLE_BINDINGS, binding)


async def configure(api: ApiServerInProcess, response: dict) -> None:
    admin = api.local_client()
    limited = {"nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": response}
    level = {
        "kind": "PriorityLevelConfiguration",
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "metadata": {"name": "tests"},
        "spec": {"type": "Limited", "limited": limited},
    }
    everything = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    subjects = [{"kind": "Group", "group": {"name": "testers"}}]
    schema = {
        "kind": "FlowSchema",
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "metadata": {"name": "tests"},
        "spec": {
            "matchingPrecedence": 2,
            "priorityLevelConfiguration": {"name": "tests"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": subjects, "resourceRules": [everything], "nonResourceRules": [paths]}],
        },
    }
    await admin.create(r.PRIORITY_LEVEL_CONFIGURATIONS, level)
    await admin.create(r.FLOW_SCHEMAS, schema)


QUEUE = {"type": "Queue", "queuing": {"queues": 64, "handSize": 6, "queueLengthLimit": 200}}


class GatedBackend(MemoryBackend):
    """Creates of config maps wait until the gate opens, as on a slow disk."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def create(self, key: str, value: bytes) -> int:
        if "/configmaps/default/" in key:
            await self.gate.wait()
        return await super().create(key, value)


async def level_of(api: ApiServerInProcess) -> Level:
    fairness = api.server.services.fairness
    assert fairness is not None
    fairness.classify(User(*NOISY), RequestInfo("/version", "get", False))
    return fairness.levels["tests"]


def config_map(name: str) -> dict[str, object]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}


async def test_a_quiet_client_does_not_stand_in_line_behind_a_noisy_one(tmp_path: Path) -> None:
    backend, limits = GatedBackend(), {"max_requests_inflight": 8, "max_mutating_requests_inflight": 4}
    async with ApiServerInProcess(tmp_path / "pki", backend=backend, **limits) as api:
        await allow(api)
        await configure(api, QUEUE)
        noisy, quiet = api.rest_client(*NOISY), api.rest_client(*QUIET)
        level = await level_of(api)
        flood = [
            asyncio.create_task(noisy.create(r.CONFIG_MAPS, config_map(f"n{index}"), "default"))
            for index in range(90)
        ]
        await eventually(lambda: level.waiting == 90 - level.nominal)
        asked = asyncio.create_task(quiet.list(r.NAMESPACES))
        await eventually(lambda: level.waiting == 91 - level.nominal)
        backend.gate.set()
        await asked
        assert level.waiting > 45
        await asyncio.gather(*flood)
        assert level.in_use == 0


async def test_the_exempt_are_not_held_up(tmp_path: Path) -> None:
    backend, limits = GatedBackend(), {"max_requests_inflight": 1, "max_mutating_requests_inflight": 1}
    async with ApiServerInProcess(tmp_path / "pki", backend=backend, **limits) as api:
        await allow(api)
        await configure(api, QUEUE)
        level, noisy = await level_of(api), api.rest_client(*NOISY)
        flood = [
            asyncio.create_task(noisy.create(r.CONFIG_MAPS, config_map(f"n{index}"), "default"))
            for index in range(10)
        ]
        await eventually(lambda: level.waiting == 9)
        assert (await api.rest_client().get(r.NAMESPACES, "default"))["metadata"]["name"] == "default"
        assert level.waiting == 9
        backend.gate.set()
        await asyncio.gather(*flood)


async def test_a_level_that_rejects_answers_429_with_a_time_to_come_back(tmp_path: Path) -> None:
    backend, limits = GatedBackend(), {"max_requests_inflight": 1, "max_mutating_requests_inflight": 1}
    async with ApiServerInProcess(tmp_path / "pki", backend=backend, **limits) as api:
        await allow(api)
        await configure(api, {"type": "Reject"})
        level, noisy = await level_of(api), api.rest_client(*NOISY)
        first = asyncio.create_task(noisy.create(r.CONFIG_MAPS, config_map("a"), "default"))
        await eventually(lambda: level.in_use == 1)
        with pytest.raises(errors.TooManyRequests) as refused:
            await noisy.list(r.NAMESPACES)
        assert refused.value.retry_after_seconds == 1
        backend.gate.set()
        await first


async def test_without_priority_and_fairness_two_limits_are_left(tmp_path: Path) -> None:
    backend, limits = GatedBackend(), {"max_requests_inflight": 5, "max_mutating_requests_inflight": 1}
    async with ApiServerInProcess(
        tmp_path / "pki", backend=backend, enable_priority_and_fairness=False, **limits
    ) as api:
        await allow(api)
        noisy, counts = api.rest_client(*NOISY), api.server.services.in_flight
        first = asyncio.create_task(noisy.create(r.CONFIG_MAPS, config_map("a"), "default"))
        await eventually(lambda: counts.mutating == 1)
        with pytest.raises(errors.TooManyRequests):
            await noisy.create(r.CONFIG_MAPS, config_map("b"), "default")
        assert (await noisy.list(r.NAMESPACES))["items"]
        backend.gate.set()
        await first


async def test_answers_name_schema_and_level_and_metrics_count(api_server: ApiServerInProcess) -> None:
    await configure(api_server, QUEUE)
    await allow(api_server)
    admin = api_server.local_client()
    schema = await admin.get(r.FLOW_SCHEMAS, "tests")
    level = await admin.get(r.PRIORITY_LEVEL_CONFIGURATIONS, "tests")
    tls = api_server.tls(api_server.authority.client(*NOISY))
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as http:
        async with http.get("/version") as answer:
            assert answer.headers["X-Kubernetes-PF-FlowSchema-UID"] == schema["metadata"]["uid"]
            assert answer.headers["X-Kubernetes-PF-PriorityLevel-UID"] == level["metadata"]["uid"]
        async with http.get("/metrics") as answer:
            metrics = await answer.text()
        async with http.get("/debug/api_priority_and_fairness/dump_priority_levels") as answer:
            dump = await answer.text()
    labels = 'flow_schema="tests",priority_level="tests"'
    assert f"apiserver_flowcontrol_dispatched_requests_total{{{labels}}} 2\n" in metrics
    assert dump.splitlines()[0].startswith("PriorityLevelName, ")
    assert any(line.split(",")[0].strip() == "tests" for line in dump.splitlines())


async def test_a_schema_says_whether_its_level_exists(api_server: ApiServerInProcess) -> None:
    await configure(api_server, QUEUE)
    client = api_server.rest_client()

    async def dangling() -> str:
        schema = await client.get(r.FLOW_SCHEMAS, "tests")
        conditions = (schema.get("status") or {}).get("conditions") or ()
        return next((c["status"] for c in conditions if c["type"] == "Dangling"), "")

    async def is_found() -> bool:
        return await dangling() == "False"

    async def is_dangling() -> bool:
        return await dangling() == "True"

    await eventually(is_found)
    await client.delete(r.PRIORITY_LEVEL_CONFIGURATIONS, "tests")
    await eventually(is_dangling)
