"""HorizontalPodAutoscalers with the usual settings, on a virtual clock: sync period, warm-up, windows and policies."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from integration.controllers.test_autoscaling import (
    Metered,
    autoscaler,
    condition,
    deployment,
    has_event,
    replicas,
)
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.testing.simulated_cluster import SimulatedCluster

CPU = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}


class Scaled:
    """A Deployment of ready pods with an autoscaler; `uses` says what each pod uses."""

    def __init__(self, cluster: SimulatedCluster, metered: Metered) -> None:
        self.cluster, self._metered = cluster, metered

    async def start(self, count: int, **spec: Any) -> None:
        await self.cluster.create(deployment(replicas=count))
        await self.cluster.until(lambda: self.cluster.is_rolled_out("web"))
        await self.cluster.advance(400)  # its pods are no longer young
        await self.cluster.create(autoscaler(**{"maxReplicas": 50, "metrics": [CPU], **spec}))

    def uses(self, cpu: str) -> None:
        self._metered.cpu = cpu

    async def reaches(self, count: int, within: float = 60) -> float:
        """The seconds until the Deployment has so many replicas."""
        begun = self.cluster.clock.monotonic()
        await self.cluster.until(self.has(count), within=within)
        return self.cluster.clock.monotonic() - begun

    async def stays(self, count: int, seconds: float) -> None:
        await self.cluster.holds(self.has(count), seconds)

    def has(self, count: int) -> Callable[[], Any]:
        async def look() -> bool:
            return await replicas(self.cluster.client) == count

        return look


@pytest_asyncio.fixture
async def scaled(tmp_path: Path) -> AsyncGenerator[Scaled, None]:
    chosen = ("*", "-horizontal-pod-autoscaler")
    async with SimulatedCluster(tmp_path, nodes=4, controllers=chosen) as cluster:
        manager = cluster.api.local_client("system:kube-controller-manager", ())
        metered = Metered(manager, cluster.clock)
        settings = ControllersConfig(("horizontal-pod-autoscaler",))
        part = Controllers(metered, cluster.clock, settings)  # type: ignore[arg-type]
        task = asyncio.create_task(part.run())
        yield Scaled(cluster, metered)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_looks_every_fifteen_seconds_and_doubles_at_most(scaled: Scaled) -> None:
    scaled.uses("50m")
    await scaled.start(4)
    await scaled.stays(4, 60)
    scaled.uses("100m")
    assert await scaled.reaches(8) <= 15
    limited = await condition(scaled.cluster.client, "ScalingLimited")
    assert limited["reason"] == "DesiredWithinRange"


async def test_young_pods_do_not_count_while_they_warm_up(scaled: Scaled) -> None:
    scaled.uses("100m")
    await scaled.start(2)
    await scaled.reaches(4)
    # The new pods are ready and use as much, but their readings began before they were ready: they count as idle at first.
    await scaled.stays(4, 14)
    await scaled.reaches(8, within=120)


async def test_goes_down_when_five_minutes_of_recommendations_agree(scaled: Scaled) -> None:
    scaled.uses("50m")
    await scaled.start(6)
    await scaled.stays(6, 30)
    scaled.uses("10m")
    await scaled.cluster.advance(20)
    able = await condition(scaled.cluster.client, "AbleToScale")
    assert able["reason"] == "ScaleDownStabilized"
    await scaled.stays(6, 240)
    waited = await scaled.reaches(2)
    assert waited <= 60
    message = "New size: 2; reason: All metrics below target"
    await scaled.cluster.until(lambda: has_event(scaled.cluster.client, "SuccessfulRescale", message))


async def test_policies_of_a_behavior_limit_the_pace(scaled: Scaled) -> None:
    up = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    down = {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
    }
    scaled.uses("200m")
    await scaled.start(4, behavior={"scaleUp": up, "scaleDown": down})
    await scaled.reaches(5)
    limited = await condition(scaled.cluster.client, "ScalingLimited")
    assert (limited["status"], limited["reason"]) == ("True", "ScaleUpLimit")
    assert 45 <= await scaled.reaches(6, within=90) <= 75
    scaled.uses("5m")
    await scaled.reaches(2, within=90)  # half of the five that the period began with
    limited = await condition(scaled.cluster.client, "ScalingLimited")
    assert (limited["status"], limited["reason"]) == ("True", "ScaleDownLimit")


async def test_scaling_down_can_be_disabled(scaled: Scaled) -> None:
    down = {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}
    scaled.uses("5m")
    await scaled.start(4, behavior={"scaleDown": down})
    await scaled.stays(4, 120)


async def test_a_tolerance_of_its_own(scaled: Scaled) -> None:
    scaled.uses("54m")  # 8 % more than wanted
    await scaled.start(20, behavior={"scaleUp": {"tolerance": "0.05"}})
    await scaled.reaches(22)
