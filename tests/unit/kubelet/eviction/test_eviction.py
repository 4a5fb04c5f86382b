from datetime import UTC, datetime
from typing import Any

from pinnace.kubelet import eviction, eviction_storage
from pinnace.kubelet.eviction import MetThreshold, PodConsumption
from pinnace.kubelet.stats.provider import DiskUse, PodDisk

GIB = 1024**3
MIB = 1024**2


def pod(
    name: str, *, memory: str = "", priority: int = 0, phase: str = "Running", **spec: Any
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": "app"}
    if memory:
        container["resources"] = {"requests": {"memory": memory}}
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"containers": [container], "priority": priority, **spec},
        "status": {"phase": phase},
    }


def used(mebibytes: int) -> PodConsumption:
    return PodConsumption(memory=mebibytes * MIB, containers={"c": {"memory": mebibytes * MIB}})


def test_usage_above_the_request_goes_before_priority_and_that_before_the_amount() -> None:
    pods = [
        pod("within", memory="500Mi"),
        pod("important", priority=1000),
        pod("a-bit-above", memory="90Mi"),
        pod("far-above", memory="10Mi"),
    ]
    usage = {one["metadata"]["uid"]: used(100) for one in pods}
    order = [one["metadata"]["name"] for one in eviction.ranked(pods, usage, "memory")]
    assert order == ["far-above", "a-bit-above", "important", "within"]


def test_finished_and_critical_pods_stay() -> None:
    assert eviction.may_be_evicted(pod("a"))
    assert not eviction.may_be_evicted(pod("b", phase="Succeeded"))
    assert not eviction.may_be_evicted(pod("c", priority=2_000_001_000))


def test_the_message_is_upstreams() -> None:
    threshold = MetThreshold("memory", "100Mi", "95836Ki")
    assert eviction.eviction_message(pod("a"), threshold, used(50)) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 95836Ki. "
        "Container c was using 50Mi, request is 0, has larger consumption of memory. "
    )
    within = eviction.eviction_message(pod("a", memory="1Gi"), threshold, used(50))
    assert within == "The node was low on resource: memory. Threshold quantity: 100Mi, available: 95836Ki. "


def test_a_node_short_of_memory_refuses_only_best_effort_pods() -> None:
    assert eviction.refusal(pod("a"), {"MemoryPressure"}) == (
        "Evicted",
        "The node had condition: [MemoryPressure]. ",
    )
    assert eviction.refusal(pod("b", memory="1Mi"), {"MemoryPressure"}) is None
    tolerant = pod("c", tolerations=[{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}])
    assert eviction.refusal(tolerant, {"MemoryPressure"}) is None
    assert eviction.refusal(pod("d", memory="1Mi"), {"DiskPressure"}) is not None
    assert eviction.refusal(pod("e", priority=2_000_000_000), {"DiskPressure"}) is None
    assert eviction.refusal(pod("f"), set()) is None


def disk(**parts: Any) -> PodDisk:
    return PodDisk(datetime(2026, 1, 1, tzinfo=UTC), **{"volumes": {}, "logs": {}, "layers": {}, **parts})


def test_an_empty_dir_has_its_size() -> None:
    limited = pod("a", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
    assert eviction_storage.has_limits(limited)
    assert eviction_storage.excess(limited, disk(volumes={"v": DiskUse(MIB, 1)})) == ("", "")
    assert eviction_storage.excess(limited, disk(volumes={"v": DiskUse(MIB + 1, 1)})) == (
        "emptydirfs.limit",
        'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
    )


def test_containers_and_pods_keep_their_ephemeral_storage_limits() -> None:
    limited = pod("a")
    limited["spec"]["containers"][0]["resources"] = {"limits": {"ephemeral-storage": "2Mi"}}
    limited["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    own = disk(logs={"c": DiskUse(3 * MIB, 1)})
    assert eviction_storage.excess(limited, own) == (
        "ephemeralpodfs.limit",
        "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
    )
    limited["spec"]["containers"].append({"name": "free"})
    assert eviction_storage.excess(limited, own) == (
        "ephemeralcontainerfs.limit",
        'Container c exceeded its local ephemeral storage limit "2Mi". ',
    )
    assert not eviction_storage.has_limits(pod("b"))
