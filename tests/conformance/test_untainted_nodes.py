"""A cluster whose nodes take pods; on simulated nodes."""

import pytest

from pinnace.api.core import nodes
from pinnace.api.resources import NODES
from pinnace.testing.simulated_cluster import SimulatedCluster


@pytest.mark.conformance(
    "[sig-architecture] Conformance Tests should have at least two untainted nodes [Conformance]"
)
async def test_two_nodes_are_ready_schedulable_and_untainted(cluster: SimulatedCluster) -> None:
    async def usable() -> bool:
        found = await cluster.list(NODES)
        good = [
            n
            for n in found
            if nodes.is_ready(n) and not n["spec"].get("unschedulable") and not nodes.taints(n)
        ]
        return len(good) >= 2

    await cluster.until(usable, within=60)
    await cluster.holds(usable, seconds=300)
