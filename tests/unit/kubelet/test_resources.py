"""What the kernel is told of pods and containers."""

from typing import Any

from pinnace.kubelet import resources
from pinnace.kubelet.resources import NodeRules
from unit.kubelet.runtime_builders import make_pod

GIB = 1024**3
V2 = NodeRules(counts_swap=True, is_v2=True, swap_behavior="LimitedSwap", swap_bytes=4 * GIB)


def sized(name: str = "c", limits: dict[str, str] | None = None, **requests: str) -> dict[str, Any]:
    return {"name": name, "image": "i", "resources": {"requests": requests, "limits": limits or {}}}


def test_a_pods_own_limits_bound_it_whatever_its_containers_say() -> None:
    pod = make_pod("a", sized("b", cpu="100m"), resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2"}})
    assert resources.pod_cgroup_settings(pod) == {"cpu_shares": 1024, "cpu_quota": 200_000}
    free = make_pod("a", sized("b", {"cpu": "1"}))
    assert "cpu_quota" not in resources.pod_cgroup_settings(free)


def test_what_a_pod_requests_beyond_its_containers_protects_each_alike() -> None:
    pod = make_pod(sized("a", memory="128Mi"), "b", resources={"requests": {"memory": "384Mi"}})
    scores = [resources.oom_score_adj(pod, one, GIB) for one in pod["spec"]["containers"]]
    assert scores == [750, 875]


def test_a_sidecar_dies_no_sooner_than_the_app_container_that_asked_for_least() -> None:
    sidecar = {**sized("s"), "restartPolicy": "Always"}
    pod = make_pod(sized("a", memory="512Mi"), sized("b", memory="256Mi"), initContainers=[sidecar])
    assert resources.oom_score_adj(pod, sidecar, GIB) == 750
    sidecar["resources"] = {"requests": {"memory": "512Mi"}}
    assert resources.oom_score_adj(pod, sidecar, GIB) == 500


def test_every_size_of_huge_pages_is_limited() -> None:
    rules = NodeRules(page_sizes=("1GB", "2MB"))
    container = sized(limits={"hugepages-2Mi": "4Mi", "memory": "1Mi"}, **{"hugepages-2Mi": "4Mi"})
    pod = make_pod(container)
    linux = resources.container_resources(pod, container, GIB, rules)
    assert linux["hugepage_limits"] == [
        {"page_size": "1GB", "limit": 0},
        {"page_size": "2MB", "limit": 4 * 1024**2},
    ]
    settings = resources.pod_cgroup_settings(pod, rules)
    assert (settings["hugetlb.1GB"], settings["hugetlb.2MB"]) == (0, 4 * 1024**2)


def test_processes_are_limited_per_pod_where_the_node_says_so() -> None:
    assert resources.pod_cgroup_settings(make_pod(), NodeRules(pids_limit=100))["pids_limit"] == 100
    assert "pids_limit" not in resources.pod_cgroup_settings(make_pod(), NodeRules(pids_limit=-1))


def test_no_swap_means_that_memory_and_swap_together_are_no_more_than_memory() -> None:
    container = sized(limits={"memory": "1Mi"})
    rules = NodeRules(counts_swap=True)
    linux = resources.container_resources(make_pod(container), container, GIB, rules)
    assert linux["memory_swap_limit_in_bytes"] == linux["memory_limit_in_bytes"] == 1024**2
    on_v2 = NodeRules(counts_swap=True, is_v2=True, swap_bytes=GIB)
    linux = resources.container_resources(make_pod(container), container, GIB, on_v2)
    assert linux["unified"] == {"memory.swap.max": "0"}


def test_limited_swap_is_shared_out_by_memory_requests_of_burstable_containers() -> None:
    def swap(container: dict[str, Any], **spec: Any) -> int:
        return resources.swap_limit(make_pod(container, **spec), container, 8 * GIB, V2)

    assert swap(sized(memory="2Gi")) == GIB
    assert swap(sized()) == 0
    assert swap(sized(limits={"memory": "2Gi"}, memory="2Gi", cpu="1")) == 0
    assert swap(sized(limits={"memory": "2Gi", "cpu": "1"}, memory="2Gi", cpu="1")) == 0
    assert swap(sized(memory="2Gi"), priority=2_000_000_000) == 0
    v1 = NodeRules(counts_swap=True, swap_behavior="LimitedSwap", swap_bytes=GIB)
    assert resources.swap_limit(make_pod(), sized(memory="2Gi"), 8 * GIB, v1) == 0
