"""/debug/scheduler on the API server: who may read it, and with what."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from integration.conftest import Kubectl
from integration.scheduler.test_scheduling import add_node, node, pod
from pinnace.api.resources import PODS
from pinnace.apimachinery import errors
from pinnace.component.clock import RealClock
from pinnace.scheduler.loop import Scheduler, SchedulerConfig
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

PAGES = "/debug/scheduler"


@pytest_asyncio.fixture
async def shown(api_server: ApiServerInProcess) -> AsyncGenerator[None, None]:
    """A scheduler whose pages the server shows, as the assembly of a cluster has it."""
    made = Scheduler(api_server.local_client("system:kube-scheduler"), RealClock(), SchedulerConfig(seed=1))
    api_server.server.services.debug["scheduler"] = made.debug
    task = asyncio.create_task(made.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("shown")
async def test_a_decision_is_read_with_get_raw(api_server: ApiServerInProcess, kubectl: Kubectl) -> None:
    client = api_server.local_client()
    await add_node(client, node("n1"))
    await client.create(PODS, pod("web"))

    async def decided() -> bool:
        return bool((await client.get(PODS, "web", "default"))["spec"].get("nodeName"))

    await eventually(decided)
    page = await kubectl("get", "--raw", f"{PAGES}/decisions/default/web")
    assert json.loads(page.out)["node"] == "n1"
    missing = await kubectl("get", "--raw", f"{PAGES}/decisions/default/nobody", code=1)
    assert "could not find the requested resource" in missing.err
    assert PAGES in json.loads((await kubectl("get", "--raw", "/")).out)["paths"]


@pytest.mark.usefixtures("shown")
async def test_others_may_not_read_it(api_server: ApiServerInProcess) -> None:
    user = api_server.local_client("jane", ("system:authenticated",))
    with pytest.raises(errors.Forbidden):
        await user.raw("GET", f"{PAGES}/decisions")


async def test_a_server_without_a_scheduler_has_no_such_page(api_server: ApiServerInProcess) -> None:
    with pytest.raises(errors.StatusError) as error:
        await api_server.local_client().raw("GET", PAGES)
    assert error.value.code == 404
