"""Controllers on a bad network: whatever answers fail, get lost or come late, the end is the same, and nothing is made twice.

Schedules are drawn from a seed; a failure names it, and the same seed makes the same choices again.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from integration.controllers.lives import Story, suffer
from integration.controllers.test_deaths import STORIES, create_deployment, rolled_out
from pinnace.api.resources import DEPLOYMENTS
from pinnace.testing.faults import Faults
from pinnace.testing.simulated_cluster import SimulatedCluster


async def scale_down(cluster: SimulatedCluster) -> None:
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, "default")


async def scale_up(cluster: SimulatedCluster) -> None:
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 12}}, "default")


WORKLOADS = ("deployment", "replicaset")
SCALINGS = {
    "scaled up": Story(WORKLOADS, scale_up, rolled_out, create_deployment, rolled_out),
    "scaled down": Story(WORKLOADS, scale_down, rolled_out, create_deployment, rolled_out),
}
ALL = {**STORIES, **SCALINGS}
QUIET = Faults()
EVERYTHING = Faults(rate=0.3, watch_rate=0.1, watch_delay=0.5)
LOST_ANSWERS = Faults(rate=0.5, kinds=("timeout after", "lost connection after"), watch_delay=2.0)
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
STALE = Faults(watch_delay=20.0)  # less than the minute after which a controller believes an event to be lost


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ALL)
async def test_everything_goes_wrong_and_the_end_is_the_same(tmp_path: Path, name: str, seed: int) -> None:
    story = ALL[name]
    quiet = await suffer(tmp_path / "quiet", story, QUIET, seconds=1)
    trouble = await suffer(tmp_path / "trouble", story, replace(EVERYTHING, seed=seed))
    assert trouble.state == quiet.state
    assert sum(trouble.happened.values()) > 10


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["deployment created", "scaled up", "scaled down"])
@pytest.mark.parametrize("faults", [STALE, LOST_ANSWERS], ids=["stale", "lost answers"])
async def test_neither_a_stale_cache_nor_a_lost_answer_makes_or_deletes_a_pod_too_many(
    tmp_path: Path, faults: Faults, name: str, seed: int
) -> None:
    story = ALL[name]
    quiet = await suffer(tmp_path / "quiet", story, QUIET, seconds=1)
    trouble = await suffer(tmp_path / "trouble", story, replace(faults, seed=seed), seconds=200)
    assert (trouble.created_pods, trouble.deleted_pods) == (quiet.created_pods, quiet.deleted_pods)
    assert trouble.state == quiet.state
    assert trouble.happened
