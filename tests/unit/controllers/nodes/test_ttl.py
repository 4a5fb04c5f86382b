"""How long nodes trust what they know, by the size of the cluster."""

import pytest

from pinnace.controllers.nodes.ttl import BOUNDARIES, step_for


@pytest.mark.parametrize(
    ("count", "before", "seconds"),
    [
        (0, 0, 0),
        (100, 0, 0),
        (101, 0, 15),
        (95, 15, 15),  # stays until it is below 90
        (89, 15, 0),
        (5000, 0, 300),
        (1900, 300, 300),
        (1799, 300, 60),
        (3, 300, 0),
    ],
)
def test_larger_clusters_trust_longer(count: int, before: int, seconds: int) -> None:
    steps = [step[2] for step in BOUNDARIES]
    assert steps[step_for(count, steps.index(before))] == seconds
