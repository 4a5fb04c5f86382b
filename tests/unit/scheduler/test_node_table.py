"""The node table, updated in place, equals one that is built from scratch: after any sequence of events."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery.selectors import from_map
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.node_table import NodeTable
from pinnace.scheduler.pod_columns import PodQuery
from pinnace.scheduler.pod_info import HostPort
from pinnace.scheduler.pod_parsing import parse_pod
from properties import examples
from unit.scheduler.objects import node, pod
from unit.scheduler.world import World

Object = dict[str, Any]
WEB = PodQuery(((frozenset({"default"}), from_map({"app": "web"})),), live_only=True)
NAMES = [f"n{i}" for i in range(20)]  # more than the first capacity, so that columns grow

ANTI = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "zone"}
        ]
    }
}
nodes = st.builds(
    lambda name, cpu, zone, taint, cordoned, gpu: node(
        name,
        cpu=cpu,
        labels={"zone": zone} if zone else {},
        taints=[{"key": taint, "effect": "NoSchedule"}] if taint else [],
        unschedulable=cordoned,
        allocatable={"example.com/gpu": gpu} if gpu else {},
    ),
    st.sampled_from(NAMES),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["", "x", "y"]),
    st.booleans(),
    st.sampled_from(["", "2"]),
)
pods = st.builds(
    lambda name, cpu, app, on, port, gpu, anti, dying: pod(
        name, cpu=cpu, labels={"app": app}, node=on, ports=[{"hostPort": port}] if port else [],
        requests={"example.com/gpu": gpu} if gpu else {}, terminating=dying, **({"affinity": ANTI} if anti else {}),
    ),
    st.sampled_from(["p1", "p2", "p3", "p4", "p5"]),
    st.sampled_from(["", "100m", "1"]),
    st.sampled_from(["web", "db"]),
    st.sampled_from(NAMES),
    st.sampled_from([0, 80]),
    st.sampled_from(["", "1"]),
    st.booleans(),
    st.booleans(),
)  # fmt: skip
events = st.lists(
    st.one_of(
        st.tuples(st.just("node"), nodes),
        st.tuples(st.just("no node"), st.sampled_from(NAMES)),
        st.tuples(st.just("pod"), pods),
        st.tuples(st.just("no pod"), st.sampled_from(["p1", "p2", "p3", "p4", "p5"])),
    ),
    max_size=60,
)


def content(table: NodeTable) -> dict[str, Any]:
    """What the table says of each node, whatever its rows."""
    matching, found = table.tally(WEB).rows, {}
    for name, row in table.row_of.items():
        amounts = {
            resource: (int(table.usage.allocatable[i, row]), int(table.usage.requested[i, row]))
            for resource, i in table.usage.resources.items()
        }
        found[name] = {
            "amounts": {r: pair for r, pair in amounts.items() if any(pair)},
            "nonzero": table.usage.nonzero[:, row].tolist(),
            "ports": {port for port, counts in table.usage.ports.items() if counts[row]},
            "taints": table.taint_sets.get(row),
            "cordoned": bool(table.unschedulable[row]),
            "zone": table.label("zone").get(row),
            "pods": set(table.pods[row]),
            "web": int(matching[row]),
            "carried": {
                carried: int(tally.rows[row]) for carried, tally in table.carried.items() if tally.rows[row]
            },
        }
    return found


@examples(60)
@given(events)
def test_updated_in_place_equals_rebuilt(history: list[tuple[str, Any]]) -> None:
    cache = SchedulerCache()
    cache.nodes.tally(WEB)  # so that the columns exist from the start and must follow
    cache.nodes.label("zone")
    known_nodes: dict[str, Object] = {}
    known_pods: dict[str, Object] = {}
    for kind, what in history:
        if kind == "node":
            known_nodes[what["metadata"]["name"]] = what
            cache.set_node(what)
        elif kind == "no node":
            known_nodes.pop(what, None)
            cache.remove_node(what)
        elif kind == "pod":
            known_pods[what["metadata"]["name"]] = what
            cache.place(parse_pod(what), what["spec"]["nodeName"])
        elif what in known_pods:
            cache.remove(parse_pod(known_pods.pop(what)).uid)
    fresh = SchedulerCache()
    for one in known_nodes.values():
        fresh.set_node(one)
    for one in known_pods.values():
        fresh.place(parse_pod(one), one["spec"]["nodeName"])
    assert content(cache.nodes) == content(fresh.nodes)
    gone = ~cache.nodes.exists
    assert not cache.nodes.usage.requested[:, gone].any()
    assert not cache.nodes.usage.allocatable[:, gone].any()


def test_an_unchanged_node_keeps_what_was_computed() -> None:
    cache = SchedulerCache()
    cache.set_node(node("n1"))
    version = cache.nodes.spec_version
    assert cache.set_node(node("n1")) == ()
    assert cache.nodes.spec_version == version


def test_names_what_changed() -> None:
    table = NodeTable()
    assert table.set_node(node("n1")) == ("Node/Add",)
    assert table.set_node(node("n1", cpu="8")) == ("Node/UpdateAllocatable",)
    assert table.set_node(node("n1", cpu="8", unschedulable=True)) == ("Node/UpdateTaint",)
    assert table.set_node(node("n1", cpu="8", unschedulable=True, labels={"a": "b"})) == ("Node/UpdateLabel",)


def test_rows_whose_pods_changed() -> None:
    cache = SchedulerCache()
    for name in ("n1", "n2"):
        cache.set_node(node(name))
    before = cache.nodes.usage_version
    cache.place(parse_pod(pod(ports=[{"hostPort": 80}], node="n2")), "n2")
    assert np.array_equal(cache.nodes.rows_changed_since(before), [cache.nodes.row_of["n2"]])
    assert list(cache.nodes.usage.ports) == [HostPort("0.0.0.0", "TCP", 80)]


def test_a_demand_is_read_again_only_when_something_it_is_made_of_has_changed() -> None:
    key = {"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    for constraints, same in (([key], True), ([{**key, "matchLabelKeys": ["hash"]}], False)):
        spec = {"topologySpreadConstraints": constraints}
        known = parse_pod(pod(labels={"hash": "1"}, **spec))
        bound = parse_pod(pod(labels={"hash": "2"}, node="n1", **spec), known)
        assert (bound.demand is known.demand) is same
        assert bound.demand is parse_pod(pod(labels={"hash": "2"}, node="n1", **spec)).demand
        assert parse_pod(pod(cpu="2", **spec), known).demand.requests == {"cpu": 2000}


def test_values_that_no_node_has_any_more_are_forgotten() -> None:
    """Names of nodes and sets of images come and go for ever."""
    world = World(node("keeps", labels={"disk": "ssd"}, images=[{"names": ["old:1"], "sizeBytes": 10**9}]))
    table = world.cache.nodes
    far = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}]}}  # fmt: skip
    one = pod("one", labels={"a": "b"}, affinity=far, ports=[{"hostPort": 80}])
    assert world.schedule(one) == "keeps"
    for number in range(1000):
        images = [{"names": [f"app:{number}"], "sizeBytes": 10**9}]
        world.cache.set_node(node(f"n{number}", labels={"disk": "hdd"}, images=images))
        if number % 100 == 0:
            assert world.decide(pod("two", labels={"a": "b"}, affinity=far)).node == f"n{number}"
        world.cache.remove_node(f"n{number}")
    assert len(table.image_sets.values) < 200
    assert len(table.label("kubernetes.io/hostname").values) < 200
    assert (table.label("disk").get(table.row_of["keeps"])) == "ssd"
    assert world.decide(pod("two", labels={"a": "b"}, affinity=far)).node == ""
    assert world.decide(pod("three", nodeSelector={"disk": "ssd"})).node == "keeps"


def test_ports_that_nobody_holds_any_more_are_forgotten() -> None:
    world = World(node("n1"))
    for number in range(100):
        one = pod("one", ports=[{"hostPort": 1000 + number}])
        assert world.schedule(one) == "n1"
        world.cache.remove("uid-default-one")
    assert not world.cache.nodes.usage.ports
