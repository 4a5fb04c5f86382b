"""`/metrics`: what was done is what was counted, under upstream's names, and every name is documented."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.component.clock import RealClock
from pinnace.controllers.controllers import Controllers
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.store.sqlite import SqliteBackend
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(api_server) as client:
        yield client


def session(api: ApiServerInProcess, user: str = "kubernetes-admin", group: str = "system:masters") -> Any:
    tls = api.tls(api.authority.client(user, (group,)))
    return aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(ssl=tls))


async def scraped(http: aiohttp.ClientSession) -> Samples:
    async with http.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, /, **labels: str) -> float:
    """The sum over all samples of this name that have these labels."""
    wanted = set(labels.items())
    return sum(found for (title, given), found in samples.items() if title == name and wanted <= given)


async def create(http: aiohttp.ClientSession, name: str, query: str = "") -> None:
    async with http.post(f"{CONFIG_MAPS}{query}", json={"metadata": {"name": name}}) as answer:
        assert answer.status == 201, await answer.text()


async def test_requests_are_counted_by_verb_and_resource(http: aiohttp.ClientSession) -> None:
    await create(http, "a")
    await create(http, "b", "?dryRun=All")
    for name, code in (("a", 200), ("none", 404)):
        async with http.get(f"{CONFIG_MAPS}/{name}") as answer:
            assert answer.status == code
    async with http.get(CONFIG_MAPS) as answer:
        size = len(await answer.read())
    samples = await scraped(http)
    resource = {"group": "", "version": "v1", "resource": "configmaps", "component": "apiserver"}
    total = "apiserver_request_total"
    assert value(samples, total, verb="POST", scope="resource", code="201", dry_run="", **resource) == 1
    assert value(samples, total, verb="POST", dry_run="All", code="201", **resource) == 1
    assert value(samples, total, verb="GET", scope="resource", code="200", **resource) == 1
    assert value(samples, total, verb="GET", code="404", **resource) == 1
    assert value(samples, total, verb="LIST", scope="namespace", code="200", **resource) == 1
    duration = "apiserver_request_duration_seconds"
    assert value(samples, f"{duration}_count", verb="GET", **resource) == 2
    assert value(samples, f"{duration}_bucket", verb="GET", le="+Inf", **resource) == 2
    assert 0 < value(samples, f"{duration}_sum", verb="GET", **resource) < 5
    assert value(samples, "apiserver_request_sli_duration_seconds_count", verb="POST", **resource) == 2
    assert value(samples, "apiserver_response_sizes_sum", verb="LIST", **resource) == size
    assert (
        value(samples, "apiserver_request_body_size_bytes_count", verb="create", resource="configmaps") == 2
    )
    assert value(samples, "apiserver_current_inflight_requests", request_kind="readOnly") == 1  # the scrape


async def test_names_that_are_not_served_do_not_multiply_the_series(http: aiohttp.ClientSession) -> None:
    before = len(await scraped(http))
    for number in range(30):
        for path in (f"/apis/g{number}/v1/things", f"/nowhere/{number}", f"{CONFIG_MAPS}/a/sub{number}"):
            async with http.get(path) as answer:
                assert answer.status == 404
    assert len(await scraped(http)) - before < 250  # each new series of a histogram has some 25 lines


async def test_watches_go_up_and_down_and_their_events_are_counted(http: aiohttp.ClientSession) -> None:
    labels = {"verb": "WATCH", "resource": "configmaps", "scope": "namespace"}
    async with http.get(f"{CONFIG_MAPS}?watch=true&resourceVersion=0") as watch:
        await create(http, "seen")
        line = await watch.content.readline()
        while b'"seen"' not in line:
            line = await watch.content.readline()
        samples = await scraped(http)
        assert value(samples, "apiserver_longrunning_requests", **labels) == 1
        assert value(samples, "apiserver_request_total", **labels) == 0  # counted at its end
        events = value(samples, "apiserver_watch_events_total", resource="configmaps", version="v1")
        assert events >= 1
        assert value(samples, "apiserver_watch_events_sizes_count", resource="configmaps") == events
        assert value(samples, "apiserver_watch_events_sizes_sum", resource="configmaps") >= len(line)
    later: Samples = {}

    async def ended() -> bool:
        nonlocal later
        later = await scraped(http)
        return value(later, "apiserver_longrunning_requests", **labels) == 0

    while not await ended():
        await asyncio.sleep(0)
    assert value(later, "apiserver_request_total", code="200", **labels) == 1


async def test_the_store_its_caches_and_admission(http: aiohttp.ClientSession) -> None:
    before = await scraped(http)
    await create(http, "one")
    async with http.patch(
        f"{CONFIG_MAPS}/one",
        data=b'{"data":{"a":"b"}}',
        headers={"Content-Type": "application/merge-patch+json"},
    ) as answer:
        assert answer.status == 200
    async with http.get(CONFIG_MAPS) as answer:
        assert len((await answer.json())["items"]) == 1
    async with http.post("/api/v1/namespaces/absent/configmaps", json={"metadata": {"name": "x"}}) as answer:
        assert answer.status == 404  # NamespaceLifecycle refuses
    after = await scraped(http)

    def more(name: str, /, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    kind = {"group": "", "resource": "configmaps"}
    for operation in ("create", "update"):
        assert more("etcd_requests_total", operation=operation, **kind) == 1
        assert more("etcd_request_duration_seconds_count", operation=operation, **kind) == 1
    assert more("apiserver_resource_objects", **kind) == 1
    assert more("apiserver_storage_objects", resource="configmaps") == 1
    assert more("apiserver_watch_cache_events_received_total", **kind) == 2
    assert more("apiserver_cache_list_total", **kind) == 1
    assert more("apiserver_cache_list_returned_objects_total", **kind) == 1
    assert value(after, "apiserver_watch_cache_initializations_total", **kind) == 1
    admission = "apiserver_admission_controller_admission_duration_seconds_count"
    lifecycle = {"name": "NamespaceLifecycle", "operation": "CREATE", "type": "admit"}
    assert more(admission, rejected="false", **lifecycle) == 1
    assert more(admission, rejected="true", **lifecycle) == 1
    step = "apiserver_admission_step_admission_duration_seconds_count"
    assert more(step, operation="CREATE", type="validate", rejected="false") == 1
    assert more(step, operation="UPDATE", type="admit", rejected="false") == 1


async def test_identity_and_fairness(api_server: ApiServerInProcess, http: aiohttp.ClientSession) -> None:
    before = await scraped(http)
    async with session(api_server, "jane", "dev") as jane, jane.get(CONFIG_MAPS) as answer:
        assert answer.status == 403
    wrong = {"Authorization": "Bearer nonsense"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=api_server.tls())) as nobody,
        nobody.get(f"{api_server.url}/version", headers=wrong) as answer,
    ):
        assert answer.status == 401
    after = await scraped(http)

    def more(name: str, /, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("authentication_attempts_total", result="failure") == 1
    assert more("authentication_attempts_total", result="success") == 2  # jane, and the scrape
    assert more("authenticated_user_requests_total", username="other") == 2
    assert more("authorization_attempts_total", result="no-opinion") == 1
    assert more("authorization_attempts_total", result="allowed") == 1
    assert more("apiserver_client_certificate_expiration_seconds_count") == 2
    flow = {"flow_schema": "global-default", "priority_level": "global-default"}
    prefix = "apiserver_flowcontrol_"
    assert more(f"{prefix}dispatched_requests_total", **flow) == 1
    assert more(f"{prefix}request_execution_seconds_count", **flow) == 1
    assert value(after, f"{prefix}current_executing_requests", **flow) == 0
    assert value(after, f"{prefix}current_executing_requests", flow_schema="exempt") == 1


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_every_family_is_described_once(http: aiohttp.ClientSession, accept: str) -> None:
    await create(http, "a")
    async with http.get("/metrics", headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"].startswith(accept.split(";", maxsplit=1)[0])
        text = await answer.text()
    families = list(parse_open(text) if "openmetrics" in accept else parse(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) > 40
    assert all(
        family.documentation and family.type in ("gauge", "counter", "histogram") for family in families
    )
    assert all(family.samples for family in families)
    for family in families:
        keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(keys) == len(set(keys)), family.name


async def test_every_metric_is_documented_with_its_labels(tmp_path: Path) -> None:
    page = {
        cells[0].strip("` "): (cells[1].strip(), set(re.findall(r"\w+", cells[2])))
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `") and len(cells := line.split("|")[1:]) >= 4
    }
    api = ApiServerInProcess(tmp_path, backend=SqliteBackend(tmp_path / "state.db"))
    async with api, session(api) as http:
        await create(http, "a")
        async with http.get("/metrics") as answer:
            text = await answer.text()
        async with http.get("/metrics/slis") as answer:
            text += await answer.text()
    for family in parse(text):
        name = family.name if family.name in page else f"{family.name}_total"
        assert name in page, f"docs/metrics.md lacks {family.name}"
        kind, labels = page[name]
        assert kind == family.type, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels, (name, sample.labels)


async def test_a_scrape_answers_head(http: aiohttp.ClientSession) -> None:
    async with http.head("/metrics") as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 1000


NODE = {
    "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1"}},
    "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]},
}  # fmt: skip
POD = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}


@pytest_asyncio.fixture
async def control_plane(api_server: ApiServerInProcess) -> AsyncIterator[None]:
    """Controllers and scheduler in the server's process, as a cluster has them."""
    parts, clock = api_server.server.services.metrics.parts, RealClock()
    scheduler = Scheduler(api_server.local_client("system:kube-scheduler", ()), clock, SchedulerConfig())
    controllers = Controllers(api_server.local_client(), clock)
    parts["scheduler"], parts["controllers"] = scheduler.metrics.families, controllers.metrics
    tasks = [asyncio.create_task(part.run()) for part in (scheduler, controllers)]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.usefixtures("control_plane")
async def test_scheduler_and_controllers(api_server: ApiServerInProcess, http: aiohttp.ClientSession) -> None:
    client = api_server.local_client()
    node = meta.mutable_copy(await client.create(r.NODES, {"kind": "Node", "apiVersion": "v1", **NODE}))
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": POD}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    body = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"name": "web"}, "spec": spec}
    await client.create(r.REPLICA_SETS, body, "default")

    async def untainted() -> bool:
        current = meta.mutable_copy(await client.get(r.NODES, meta.name(node)))
        if not current["spec"].pop("taints", None):
            return True
        await client.update(r.NODES, current)
        return False

    await eventually(untainted)
    samples: Samples = {}

    async def settled() -> bool:
        nonlocal samples
        samples = await scraped(http)
        return value(samples, "scheduler_pending_pods", queue="unschedulable") == 1 and two_are_bound()

    def two_are_bound() -> bool:
        return value(samples, "scheduler_schedule_attempts_total", result="scheduled") == 2

    await eventually(settled, every=0.1)  # two processors, three pods that want one each
    profile = {"profile": "default-scheduler"}
    assert value(samples, "scheduler_schedule_attempts_total", result="unschedulable", **profile) >= 1
    attempt = "scheduler_scheduling_attempt_duration_seconds_count"
    assert value(samples, attempt, result="scheduled", **profile) == 2
    assert value(samples, "scheduler_pod_scheduling_sli_duration_seconds_count") == 2
    assert value(samples, "scheduler_cache_size", type="nodes") == 1
    queue = {"name": "replicaset"}
    assert value(samples, "workqueue_adds_total", **queue) >= 1
    assert value(samples, "workqueue_work_duration_seconds_count", **queue) >= 1
    assert value(samples, "workqueue_queue_duration_seconds_count", **queue) >= 1
    page = PAGE.read_text()
    for title, _ in samples:
        if title.startswith(("scheduler_", "workqueue_")):
            assert f"| `{re.sub('_(bucket|sum|count|created)$', '', title)}` |" in page, title
