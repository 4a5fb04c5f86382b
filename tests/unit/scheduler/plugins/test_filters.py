"""Each filter alone: which nodes it lets through."""

from typing import Any

import numpy as np
import pytest

from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.framework import Mask, NodeTable
from pinnace.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pinnace.scheduler.plugins.node_affinity import NodeAffinity
from pinnace.scheduler.plugins.node_name import NodeName
from pinnace.scheduler.plugins.node_ports import NodePorts
from pinnace.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pinnace.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pinnace.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pinnace.scheduler.plugins.taint_toleration import TaintToleration
from pinnace.scheduler.pod_parsing import parse_pod
from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

Object = dict[str, Any]


def cluster(*nodes: Object, running: tuple[Object, ...] = ()) -> NodeTable:
    cache = SchedulerCache()
    for one in nodes:
        cache.set_node(one)
    for one in running:
        cache.place(parse_pod(one), one["spec"]["nodeName"])
    return cache.nodes


def passed(mask: Mask, nodes: NodeTable) -> set[str]:
    return {nodes.names[row] for row in np.flatnonzero(mask & nodes.exists)}


@pytest.mark.parametrize(
    ("toleration", "allowed"),
    [
        ({"key": "a", "operator": "Equal", "value": "1", "effect": "NoSchedule"}, True),
        ({"key": "a", "value": "1"}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "a", "value": "2"}, False),
        ({"key": "b", "operator": "Exists"}, False),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_taints(toleration: Object, allowed: bool) -> None:
    nodes = cluster(node("n1", taints=[{"key": "a", "value": "1", "effect": "NoSchedule"}]), node("n2"))
    mask = TaintToleration().filter(parse_pod(pod(tolerations=[toleration])), nodes)
    assert passed(mask, nodes) == ({"n1", "n2"} if allowed else {"n2"})


def test_soft_taints_do_not_filter() -> None:
    nodes = cluster(node("n1", taints=[{"key": "a", "effect": "PreferNoSchedule"}]))
    assert passed(TaintToleration().filter(parse_pod(pod()), nodes), nodes) == {"n1"}


def test_cordoned_nodes_and_who_tolerates_them() -> None:
    nodes = cluster(node("n1", unschedulable=True), node("n2"))
    plugin = NodeUnschedulable()
    assert passed(plugin.filter(parse_pod(pod()), nodes), nodes) == {"n2"}
    daemon = parse_pod(pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]))
    assert not plugin.applies(daemon.demand)


def test_node_name() -> None:
    nodes = cluster(node("n1"), node("n2"))
    assert passed(NodeName().filter(parse_pod(pod(node="n2")), nodes), nodes) == {"n2"}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}, {"fast"}),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, {"slow", "bare"}),
        ({"key": "disk", "operator": "Exists"}, {"fast", "slow"}),
        ({"key": "disk", "operator": "DoesNotExist"}, {"bare"}),
        ({"key": "cores", "operator": "Gt", "values": ["8"]}, {"fast"}),
        ({"key": "cores", "operator": "Lt", "values": ["8"]}, {"slow"}),
    ],
)
def test_node_affinity(expression: Object, names: set[str]) -> None:
    nodes = cluster(
        node("fast", labels={"disk": "ssd", "cores": "16"}), node("slow", labels={"disk": "hdd", "cores": "4"}), node("bare")
    )  # fmt: skip
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    wish = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    assert passed(NodeAffinity().filter(parse_pod(pod(affinity=wish)), nodes), nodes) == names


def test_node_selector_and_affinity_must_both_hold_and_terms_are_alternatives() -> None:
    nodes = cluster(
        node("a", labels={"x": "1", "y": "1"}),
        node("b", labels={"x": "1", "y": "2"}),
        node("c", labels={"y": "1"}),
    )
    terms = [{"matchExpressions": [{"key": "y", "operator": "In", "values": [v]}]} for v in ("1", "3")]
    wish = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    mask = NodeAffinity().filter(parse_pod(pod(nodeSelector={"x": "1"}, affinity=wish)), nodes)
    assert passed(mask, nodes) == {"a"}


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, False),
        ({"hostPort": 80}, {"hostPort": 81}, True),
        ({"hostPort": 80, "protocol": "UDP"}, {"hostPort": 80}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80, "hostIP": "10.0.0.2"}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80}, False),
    ],
)
def test_host_ports(held: Object, wanted: Object, free: bool) -> None:
    nodes = cluster(node("n1"), running=(pod("old", ports=[held], node="n1"),))
    mask = NodePorts().filter(parse_pod(pod(ports=[wanted])), nodes.usage)
    assert passed(mask, nodes) == ({"n1"} if free else set())


def test_init_containers_and_sidecars_count_as_upstream_has_it() -> None:
    init = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
        {"name": "setup", "resources": {"requests": {"cpu": "3"}}},
    ]
    assert parse_pod(pod(cpu="2", init=init)).demand.requests == {"cpu": 4000}
    assert parse_pod(pod(cpu="2", init=init[:1], overhead={"cpu": "250m"})).demand.requests == {"cpu": 3250}
    assert parse_pod(pod(cpu="2", resources={"requests": {"cpu": "5"}})).demand.requests == {"cpu": 5000}


def test_extended_resources_fit_or_not() -> None:
    nodes = cluster(node("gpu", allocatable={"example.com/gpu": "2"}), node("plain"))
    one = pod("train", requests={"example.com/gpu": "2"})
    assert passed(NodeResourcesFit().filter(parse_pod(one), nodes.usage), nodes) == {"gpu"}
    unknown = parse_pod(pod(requests={"example.com/tpu": "1"}))
    assert passed(NodeResourcesFit().filter(unknown, nodes.usage), nodes) == set()
    assert NodeResourcesFit().refusals(unknown, nodes.usage)[0].reasons == ("Insufficient example.com/tpu",)


def spread(**more: Any) -> Object:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"app": "web"}},
        **more,
    }
    return pod("new", labels={"app": "web"}, topologySpreadConstraints=[constraint])


ZONES = (node("a1", labels={"zone": "a"}), node("a2", labels={"zone": "a"}), node("b1", labels={"zone": "b"}))


def web(name: str, on: str, **more: Any) -> Object:
    return pod(name, labels={"app": "web"}, node=on, **more)


def test_topology_spread_keeps_the_skew() -> None:
    plugin = PodTopologySpread(lambda pod: None)
    nodes = cluster(*ZONES, node("none"), running=(web("1", "a1"),))
    asked = parse_pod(spread())
    assert passed(plugin.filter(asked, nodes), nodes) == {"b1"}
    texts = [
        r.reasons[0]
        for r in plugin.refusals(asked, nodes, np.array([nodes.row_of["a2"], nodes.row_of["none"]]))
    ]
    assert texts == [
        "node(s) didn't match pod topology spread constraints",
        "node(s) didn't match pod topology spread constraints (missing required label)",
    ]


def test_topology_spread_ignores_pods_being_deleted_and_other_namespaces() -> None:
    running = (web("1", "a1", terminating=True), web("2", "a2", namespace="other"))
    nodes = cluster(*ZONES, running=running)
    mask = PodTopologySpread(lambda pod: None).filter(parse_pod(spread()), nodes)
    assert passed(mask, nodes) == {"a1", "a2", "b1"}


def test_topology_spread_with_too_few_domains_fills_none_above_the_skew() -> None:
    nodes = cluster(*ZONES, running=(web("1", "a1"), web("2", "b1")))
    plugin = PodTopologySpread(lambda pod: None)
    assert passed(plugin.filter(parse_pod(spread()), nodes), nodes) == {"a1", "a2", "b1"}
    assert passed(plugin.filter(parse_pod(spread(minDomains=3)), nodes), nodes) == set()


def test_topology_spread_counts_only_nodes_that_the_pod_may_use() -> None:
    nodes = cluster(*ZONES, running=(web("1", "a1"),))
    one = spread()
    one["spec"]["nodeSelector"] = {"zone": "a"}
    assert passed(PodTopologySpread(lambda pod: None).filter(parse_pod(one), nodes), nodes) >= {"a1", "a2"}


def near(kind: str, **more: Any) -> Object:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone", **more}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def test_pod_affinity_and_anti_affinity_by_zone() -> None:
    nodes = cluster(*ZONES, running=(web("1", "a1"),))
    plugin = InterPodAffinity()
    assert passed(plugin.filter(parse_pod(pod(**near("podAffinity"))), nodes), nodes) == {"a1", "a2"}
    assert passed(plugin.filter(parse_pod(pod(**near("podAntiAffinity"))), nodes), nodes) == {"b1"}


def test_the_first_pod_of_a_group_that_attracts_itself_goes_anywhere_with_the_label() -> None:
    nodes = cluster(*ZONES, node("none"))
    first = parse_pod(pod(labels={"app": "web"}, **near("podAffinity")))
    assert passed(InterPodAffinity().filter(first, nodes), nodes) == {"a1", "a2", "b1"}
    stranger = parse_pod(pod(labels={"app": "db"}, **near("podAffinity")))
    assert passed(InterPodAffinity().filter(stranger, nodes), nodes) == set()


def test_anti_affinity_of_pods_already_there_is_respected() -> None:
    nodes = cluster(*ZONES, running=(pod("lonely", node="a1", **near("podAntiAffinity")),))
    plugin, arriving = InterPodAffinity(), parse_pod(pod(labels={"app": "web"}))
    assert passed(plugin.filter(arriving, nodes), nodes) == {"b1"}
    (refusal,) = plugin.refusals(arriving, nodes, np.array([nodes.row_of["a2"]]))
    assert refusal.reasons == ("node(s) didn't satisfy existing pods anti-affinity rules",)


def test_affinity_across_namespaces_by_name_and_by_label() -> None:
    nodes = cluster(*ZONES, running=(web("1", "a1", namespace="prod"),))
    nodes.namespace_labels.update({"prod": {"tier": "live"}, "default": {}})
    plugin = InterPodAffinity()
    cases: list[tuple[Object, set[str]]] = [
        ({}, set()),
        ({"namespaces": ["prod"]}, {"a1", "a2"}),
        ({"namespaceSelector": {"matchLabels": {"tier": "live"}}}, {"a1", "a2"}),
        ({"namespaceSelector": {}}, {"a1", "a2"}),
        ({"namespaceSelector": {"matchLabels": {"tier": "test"}}}, set()),
    ]
    for more, names in cases:
        mask = plugin.filter(parse_pod(pod(**near("podAffinity", **more))), nodes)
        assert passed(mask, nodes) == names


def spread_over_zones(**more: Any) -> Object:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    return {**constraint, "labelSelector": {"matchLabels": {"app": "web"}}, **more}


def feasible(nodes: list[Object], running: list[Object], wish: Object) -> set[str]:
    """The names of the nodes that the default profile leaves for the pod."""
    world = World(*nodes).run(*running)
    return set(world.cycle.fitting(parse_pod(wish), world.cache.nodes))


def test_topology_spread_by_label_keys_counts_pods_of_the_same_revision() -> None:
    nodes = [node(name, labels={"zone": name}) for name in ("a", "b")]
    old = pod("old", node="a", labels={"app": "web", "rev": "1"})
    for keys, wanted in (([], {"b"}), (["rev"], {"a", "b"})):
        wish = pod(
            labels={"app": "web", "rev": "2"},
            topologySpreadConstraints=[spread_over_zones(matchLabelKeys=keys)],
        )
        assert feasible(nodes, [old], wish) == wanted


def test_topology_spread_may_leave_out_tainted_nodes_and_those_that_the_pod_does_not_want() -> None:
    taint = {"key": "x", "effect": "NoSchedule"}
    nodes = [node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}, taints=[taint])]
    one = pod("one", node="a", labels={"app": "web"})
    for policy, wanted in (("Ignore", set()), ("Honor", {"a"})):
        wish = pod(
            labels={"app": "web"}, topologySpreadConstraints=[spread_over_zones(nodeTaintsPolicy=policy)]
        )
        assert feasible(nodes, [one], wish) == wanted
    plain = [node("a", labels={"zone": "a", "disk": "ssd"}), node("b", labels={"zone": "b"})]
    for policy, wanted in (("Ignore", set()), ("Honor", {"a"})):
        wish = pod(
            labels={"app": "web"}, nodeSelector={"disk": "ssd"},
            topologySpreadConstraints=[spread_over_zones(nodeAffinityPolicy=policy)],
        )  # fmt: skip
        assert feasible(plain, [one], wish) == wanted


def test_anti_affinity_by_label_keys_tells_revisions_apart() -> None:
    def wish(**keys: Any) -> Object:
        term = {
            "labelSelector": {"matchLabels": {"app": "web"}},
            "topologyKey": "kubernetes.io/hostname",
            **keys,
        }
        anti = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        return pod(labels={"app": "web", "rev": "2"}, affinity=anti)

    nodes = [node("a"), node("b"), node("c")]
    running = [
        pod("old", node="a", labels={"app": "web", "rev": "1"}), pod("new", node="b", labels={"app": "web", "rev": "2"}),
    ]  # fmt: skip
    assert feasible(nodes, running, wish()) == {"c"}
    assert feasible(nodes, running, wish(matchLabelKeys=["rev"])) == {"a", "c"}
    assert feasible(nodes, running, wish(mismatchLabelKeys=["rev"])) == {"b", "c"}
