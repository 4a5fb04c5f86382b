import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pinnace.api import meta
from pinnace.api.resources import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS
from pinnace.controllers.catalog import ControllersConfig, UnknownController, select
from pinnace.controllers.controllers import Controllers
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.controllers.builders import Object, deployment


@asynccontextmanager
async def running(client: FakeClient, clock: FakeClock, *names: str) -> AsyncIterator[None]:
    task = asyncio.create_task(Controllers(client, clock, ControllersConfig(names)).run())
    await clock.advance(1)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def items(client: FakeClient, gvr: tuple) -> list[Object]:
    return (await client.list(gvr))["items"]  # type: ignore[arg-type]


async def test_a_deployment_becomes_a_set_and_its_pods() -> None:
    client, clock = FakeClient([deployment(replicas=20)]), FakeClock()
    async with running(client, clock, "deployment", "replicaset"):
        await clock.advance(5)
    assert len(await items(client, PODS)) == 20
    (rs,) = await items(client, REPLICA_SETS)
    assert rs["status"]["replicas"] == 20
    (found,) = await items(client, DEPLOYMENTS)
    assert found["status"]["replicas"] == 20
    reasons = {event["reason"] for event in await items(client, EVENTS)}
    assert reasons == {"ScalingReplicaSet", "SuccessfulCreate"}


async def test_writes_stop_when_the_world_is_as_wanted() -> None:
    client, clock = FakeClient([deployment(replicas=2)]), FakeClock()
    async with running(client, clock, "deployment", "replicaset"):
        await clock.advance(5)
        before = len(client.calls)
        await clock.advance(300)
        assert len(client.calls) == before


async def test_a_deleted_pod_is_replaced() -> None:
    client, clock = FakeClient([deployment(replicas=2)]), FakeClock()
    async with running(client, clock, "deployment", "replicaset"):
        await clock.advance(5)
        victim = (await items(client, PODS))[0]
        await client.delete(PODS, meta.name(victim), "default")
        await clock.advance(5)
        names = [meta.name(pod) for pod in await items(client, PODS)]
        assert len(names) == 2
        assert meta.name(victim) not in names


def test_selection_of_controllers() -> None:
    known = ["deployment", "replicaset", "namespace"]
    assert select(["*"], known) == known
    assert select(["*", "-namespace"], known) == ["deployment", "replicaset"]
    assert select(["replicaset"], known) == ["replicaset"]
    assert select(["-*"], known) == []
    assert select(["-*", "replicaset"], known) == ["replicaset"]
    with pytest.raises(UnknownController, match='"nope" is not in the list of known controllers'):
        select(["*", "-nope"], known)


async def test_every_loop_of_a_controller_tells_its_numbers() -> None:
    controllers = Controllers(FakeClient([]), FakeClock(), ControllersConfig(("job",)))
    (adds,) = [family for family in controllers.metrics() if family.name == "workqueue_adds_total"]
    assert {labels for labels, _ in adds.samples} == {("job",), ("job_orphan_pod",)}
