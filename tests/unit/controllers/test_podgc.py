from datetime import timedelta

from pinnace.api import meta
from pinnace.controllers.podgc import PodGCConfig, sweep
from pinnace.controllers.runtime import Delete, Patch, World
from unit.controllers.builders import NOW, Object, ago, node, pod


def run(*objects: Object, seconds: float = 0, memory: dict | None = None, **config: int) -> list:
    world = World.of(objects, NOW + timedelta(seconds=seconds), memory=memory)
    return list(sweep(PodGCConfig(**config)).reconcile(world))


def test_pods_of_a_vanished_node_go_after_a_quarantine() -> None:
    memory: dict = {}
    assert run(pod("p", node="gone"), memory=memory) == []
    actions = run(pod("p", node="gone"), seconds=41, memory=memory)
    assert [type(a) for a in actions] == [Patch, Delete]
    assert actions[0].body["status"]["phase"] == "Failed"
    assert actions[0].body["status"]["conditions"][-1]["reason"] == "DeletionByPodGC"
    assert actions[1].grace_period_seconds == 0


def test_deleted_pods_that_never_had_a_node_go() -> None:
    actions = run(pod("p", node="", deletionTimestamp=ago(1)), pod("q", node=""))
    assert [meta.name(a.obj) for a in actions if isinstance(a, Delete)] == ["p"]


def test_deleted_pods_on_an_out_of_service_node_go() -> None:
    own = node("node-1", ready="Unknown")
    own["spec"]["taints"] = [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]
    actions = run(own, pod("p", deletionTimestamp=ago(1)), pod("q"))
    assert [meta.name(a.obj) for a in actions if isinstance(a, Delete)] == ["p"]


def test_the_oldest_finished_pods_beyond_the_threshold_go() -> None:
    finished = [pod(f"p{n}", phase="Succeeded", creationTimestamp=ago(100 - n)) for n in range(4)]
    actions = run(node(), *finished, terminated_pod_threshold=2)
    assert [meta.name(a.obj) for a in actions] == ["p0", "p1"]
