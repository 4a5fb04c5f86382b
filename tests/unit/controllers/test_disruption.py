from typing import Any

from pinnace.controllers.disruption import reconcile
from pinnace.controllers.runtime import Emit, SetStatus, World
from unit.controllers.builders import NOW, Object, ago, budget, deployment, pod, replicaset


def numbers(pdb: Object, *objects: Object) -> tuple[int, int, int, int]:
    (status,) = [a.status for a in reconcile(pdb, World.of([pdb, *objects], NOW)) if isinstance(a, SetStatus)]
    return (
        status["disruptionsAllowed"],
        status["currentHealthy"],
        status["desiredHealthy"],
        status["expectedPods"],
    )


def web(replicas: int, ready: int) -> list[Object]:
    d = deployment(replicas=replicas)
    rs = replicaset("web-1", replicas, owner=d)
    return [d, rs, *(pod(f"p{n}", rs, ready=n < ready) for n in range(replicas))]


def test_min_available_as_a_number_or_a_share() -> None:
    assert numbers(budget(minAvailable=2), *web(3, 3)) == (1, 3, 2, 3)
    assert numbers(budget(minAvailable="50%"), *web(3, 3)) == (1, 3, 2, 3)
    assert numbers(budget(minAvailable=2), *web(3, 1)) == (0, 1, 2, 3)


def test_max_unavailable_counts_from_what_the_deployment_asks_for() -> None:
    assert numbers(budget(maxUnavailable=1), *web(4, 4)) == (1, 4, 3, 4)
    assert numbers(budget(maxUnavailable="30%"), *web(4, 4)) == (2, 4, 2, 4)


def test_evicted_pods_that_still_look_healthy_do_not_count() -> None:
    pdb = budget(minAvailable=1)
    pdb["status"] = {"disruptedPods": {"p0": ago(10), "p1": ago(130)}}
    assert numbers(pdb, *web(3, 3)) == (1, 2, 1, 3)


def test_unmanaged_pods_are_pointed_out() -> None:
    def reasons(*objects: Object, **spec: Any) -> list[str]:
        pdb = budget(**spec)
        return [a.reason for a in reconcile(pdb, World.of([pdb, *objects], NOW)) if isinstance(a, Emit)]

    assert reasons(pod("naked"), maxUnavailable=1) == ["UnmanagedPods"]
    assert reasons(minAvailable=1) == ["NoPods"]
