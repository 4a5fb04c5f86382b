"""Drivers are asked again as often as their CSIDriver says, and not at all when it says nothing."""

import asyncio
from typing import Any

from pinnace.api.resources import CSI_DRIVERS
from pinnace.kubelet.csi.allocatable import AllocatableUpdates
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock


def kind(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "d"}, "spec": spec}


async def test_the_period_is_followed_and_may_change() -> None:
    client, clock = FakeClient([kind()]), FakeClock()
    asked: list[float] = []

    async def update(name: str) -> None:
        asked.append(clock.monotonic())

    updates = AllocatableUpdates(client, clock, update)
    updates.follow("d")
    await clock.advance(100)
    assert asked == [], "the driver's CSIDriver says nothing of it"
    begun = clock.monotonic()
    await client.patch(CSI_DRIVERS, "d", {"spec": {"nodeAllocatableUpdatePeriodSeconds": 10}})
    await clock.advance(35)
    assert [round(one - begun) for one in asked] == [10, 20, 30]
    updates.leave("d")
    await asyncio.sleep(0)
    await clock.advance(100)
    assert len(asked) == 3
