"""Each score alone, with the numbers that upstream's formulas give."""

from typing import Any

from pinnace.apimachinery.selectors import from_map
from pinnace.scheduler.framework import NodeTable, Scores
from pinnace.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from pinnace.scheduler.plugins.image_locality import ImageLocality
from pinnace.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pinnace.scheduler.plugins.node_affinity import NodeAffinity
from pinnace.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pinnace.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pinnace.scheduler.pod_parsing import parse_pod
from unit.scheduler.objects import node, pod
from unit.scheduler.plugins.test_filters import ZONES, cluster, web

MEGABYTE = 1024 * 1024


def named(scores: Scores, nodes: NodeTable) -> dict[str, int]:
    return {name: int(scores[row]) for name, row in sorted(nodes.row_of.items())}


def among_all(nodes: NodeTable) -> Any:
    return nodes.exists


def by_name(scores: Scores, nodes: NodeTable) -> dict[str, int]:
    return named(scores, nodes)


def test_least_allocated_is_the_mean_share_left() -> None:
    nodes = cluster(node("a", cpu="4", memory="8Gi"), node("b", cpu="2", memory="4Gi"))
    scores = NodeResourcesFit().score(parse_pod(pod(cpu="1", memory="2Gi")), nodes.usage)
    assert named(scores, nodes) == {"a": 75, "b": 50}


def test_pods_without_requests_count_with_a_default() -> None:
    nodes = cluster(node("a", cpu="1", memory="2000Mi"))
    assert named(NodeResourcesFit().score(parse_pod(pod()), nodes.usage), nodes) == {"a": 90}


def test_balanced_allocation_prefers_even_use() -> None:
    nodes = cluster(node("even", cpu="4", memory="8Gi"), node("skewed", cpu="2", memory="16Gi"))
    plugin, asked = NodeResourcesBalancedAllocation(), parse_pod(pod(cpu="1", memory="2Gi"))
    assert named(plugin.score(asked, nodes.usage), nodes) == {"even": 100, "skewed": 81}
    assert not plugin.scores(parse_pod(pod()).demand)


def test_preferred_node_affinity_adds_weights_and_scales_to_a_hundred() -> None:
    nodes = cluster(node("a", labels={"x": "1"}), node("b", labels={"x": "1", "y": "1"}), node("c"))
    preferred = [
        {"weight": w, "preference": {"matchExpressions": [{"key": k, "operator": "Exists"}]}}
        for k, w in (("x", 10), ("y", 30))
    ]
    asked = parse_pod(
        pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}})
    )
    plugin = NodeAffinity()
    assert named(plugin.normalize(plugin.score(asked, nodes), 40), nodes) == {"a": 25, "b": 100, "c": 0}


def test_image_locality_grows_with_size_and_spread_of_the_image() -> None:
    images = [{"names": ["app:latest"], "sizeBytes": 523 * MEGABYTE}]
    nodes = cluster(node("a", images=images), node("b", images=images), node("c"), node("d"))
    # half of the nodes have it: 523 MB * 0.5 above the threshold of 23 MB, of 977 MB
    assert named(ImageLocality().score(parse_pod(pod(image="app")), nodes), nodes) == {
        "a": 24,
        "b": 24,
        "c": 0,
        "d": 0,
    }


def test_soft_spread_prefers_the_emptier_zone() -> None:
    soft = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "web"}}}  # fmt: skip
    nodes = cluster(*ZONES, node("none"), running=(web("1", "a1"), web("2", "a2")))
    asked = parse_pod(pod(labels={"app": "web"}, topologySpreadConstraints=[soft]))
    scores = PodTopologySpread(lambda pod: None).score(asked, nodes, among_all(nodes))
    assert by_name(scores, nodes) == {"a1": 0, "a2": 0, "b1": 100, "none": 0}


def test_pods_of_a_service_are_spread_over_nodes_by_default() -> None:
    nodes = cluster(node("n1"), node("n2"), running=(web("1", "n1"),))
    plugin = PodTopologySpread(lambda pod: from_map({"app": "web"}))
    scores = by_name(plugin.score(parse_pod(pod(labels={"app": "web"})), nodes, among_all(nodes)), nodes)
    assert scores["n2"] > scores["n1"]


def test_preferred_pod_affinity_pulls_and_anti_affinity_pushes() -> None:
    nodes = cluster(*ZONES, running=(web("1", "a1"),))
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}
    weighted = [{"weight": 10, "podAffinityTerm": term}]
    plugin = InterPodAffinity()
    for kind, best in (
        ("podAffinity", {"a1": 100, "a2": 100, "b1": 0}),
        ("podAntiAffinity", {"a1": 0, "a2": 0, "b1": 100}),
    ):
        asked = parse_pod(pod(affinity={kind: {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}))
        assert by_name(plugin.score(asked, nodes, among_all(nodes)), nodes) == best


def test_a_running_pod_that_wants_company_pulls_others() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}
    wants = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    nodes = cluster(*ZONES, running=(pod("sociable", node="b1", affinity=wants),))
    plugin, arriving = InterPodAffinity(), parse_pod(pod(labels={"app": "web"}))
    assert plugin.scores(arriving, nodes)
    assert by_name(plugin.score(arriving, nodes, among_all(nodes)), nodes) == {"a1": 0, "a2": 0, "b1": 100}
