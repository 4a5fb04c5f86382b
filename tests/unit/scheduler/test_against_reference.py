"""Decisions by arrays that are updated in place equal those by upstream's rules applied node by node: after any history.

Compared are, for each decision: how many nodes each plugin was the first to refuse, how many are feasible, that the chosen
node is one of the best, and every plugin's score of the nodes that the decision shows.
"""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery.selectors import Selector
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.cycle import Cycle
from pinnace.scheduler.decisions import Decision
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.profiles import default_profile
from properties import examples
from unit.scheduler import reference
from unit.scheduler.objects import node, pod
from unit.scheduler.reference import HOSTNAME, ZONE, State

Object = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NODES = [f"n{i}" for i in range(6)]
PODS = [f"p{i}" for i in range(12)]
APPS = ["web", "db"]

effects = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
taints = st.lists(
    st.builds(lambda key, effect: {"key": key, "effect": effect}, st.sampled_from("ab"), effects), max_size=2
)
nodes = st.builds(
    lambda name, cpu, memory, room, zone, disk, taints, cordoned, hostname: _node(
        name, cpu, memory, room, {ZONE: zone, "disk": disk}, taints, cordoned, hostname
    ),
    st.sampled_from(NODES), st.sampled_from(["1", "2", "4"]), st.sampled_from(["1Gi", "4Gi", "0"]),
    st.sampled_from(["2", "5", "9"]), st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "ssd", "hdd"]),
    st.one_of(st.just([]), taints), st.sampled_from([False, False, False, True]), st.sampled_from([True, True, True, False]),
)  # fmt: skip


def _node(
    name: str, cpu: str, memory: str, room: str, labels: dict[str, str], taints: list[Object], cordoned: bool,
    hostname: bool,
) -> Object:  # fmt: skip
    made = node(
        name, cpu=cpu, memory=memory, pods=room, taints=taints, unschedulable=cordoned,
        labels={key: value for key, value in labels.items() if value},
    )  # fmt: skip
    if not hostname:
        del made["metadata"]["labels"][HOSTNAME]
    return made


selectors = st.one_of(
    st.builds(lambda app: {"matchLabels": {"app": app}}, st.sampled_from(APPS)),
    st.builds(
        lambda app, operator: {"matchExpressions": [{"key": "app", "operator": operator, "values": [app]}]},
        st.sampled_from(APPS), st.sampled_from(["In", "NotIn"]),
    ),
    st.just({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
    st.just({}),
)  # fmt: skip
keys = st.sampled_from([ZONE, ZONE, HOSTNAME])
where = st.sampled_from(
    [{}, {}, {"namespaces": ["other"]}, {"namespaceSelector": {"matchLabels": {"team": "x"}}}]
)
affinity_terms = st.builds(
    lambda selector, key, where: {"labelSelector": selector, "topologyKey": key, **where}, selectors, keys, where
)  # fmt: skip
weighted_terms = st.builds(
    lambda term, weight: {"podAffinityTerm": term, "weight": weight}, affinity_terms, st.sampled_from([1, 7, 100])
)  # fmt: skip
pod_terms = st.builds(
    lambda required, preferred: {REQUIRED: required, PREFERRED: preferred},
    st.lists(affinity_terms, max_size=2), st.lists(weighted_terms, max_size=1),
)  # fmt: skip
expressions = st.one_of(
    st.builds(
        lambda operator, values: {"key": "disk", "operator": operator, "values": values},
        st.sampled_from(["In", "NotIn"]), st.lists(st.sampled_from(["ssd", "hdd"]), min_size=1, unique=True),
    ),
    st.builds(lambda key, operator: {"key": key, "operator": operator}, keys, st.sampled_from(["Exists", "DoesNotExist"])),
)  # fmt: skip
node_affinities = st.builds(
    lambda required, preferred: {
        **(
            {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": e} for e in required]}} if required else {}
        ),
        PREFERRED: [{"weight": w, "preference": {"matchExpressions": [e]}} for w, e in preferred],
    },
    st.lists(st.lists(expressions, min_size=1, max_size=2), max_size=2),
    st.lists(st.tuples(st.sampled_from([1, 30]), expressions), max_size=2),
)
spreads = st.builds(
    lambda skew, key, unsatisfiable, selector, taints_policy, affinity_policy, domains: {
        "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": unsatisfiable, "labelSelector": selector,
        "nodeTaintsPolicy": taints_policy, "nodeAffinityPolicy": affinity_policy,
        **({"minDomains": domains} if unsatisfiable == "DoNotSchedule" else {}),
    },
    st.sampled_from([1, 2]), keys, st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]), selectors,
    st.sampled_from(["Ignore", "Honor"]), st.sampled_from(["Ignore", "Honor"]), st.sampled_from([1, 1, 3]),
)  # fmt: skip
tolerations = st.builds(
    lambda key, operator, effect: {"key": key, "operator": operator, "effect": effect},
    st.sampled_from("ab"), st.sampled_from(["Exists", "Equal"]), st.one_of(st.just(""), effects),
)  # fmt: skip
nothing: st.SearchStrategy[Any] = st.just({})
templates = st.builds(
    lambda cpu, memory, app, tier, namespace, port, tolerations, wanted, near, far, spread, selector: {
        "cpu": cpu, "memory": memory, "labels": {"app": app, **tier}, "namespace": namespace,
        "ports": [{"hostPort": port}] if port else [], "tolerations": tolerations, "topologySpreadConstraints": spread,
        "affinity": {"nodeAffinity": wanted, "podAffinity": near, "podAntiAffinity": far}, "nodeSelector": selector,
    },
    st.sampled_from(["", "100m", "700m"]), st.sampled_from(["", "128Mi", "1Gi"]), st.sampled_from(APPS),
    st.sampled_from([{}, {"tier": "1"}]), st.sampled_from(["default", "default", "other"]), st.sampled_from([0, 0, 0, 80]),
    st.lists(tolerations, max_size=1), nothing | node_affinities, nothing | nothing | pod_terms,
    nothing | nothing | pod_terms, st.just([]) | st.lists(spreads, max_size=2), st.sampled_from([{}, {}, {"disk": "ssd"}]),
)  # fmt: skip
steps = st.lists(
    st.one_of(
        st.tuples(st.just("node"), nodes),
        st.tuples(st.just("no node"), st.sampled_from(NODES)),
        st.tuples(st.just("schedule"), st.tuples(st.sampled_from(PODS), st.integers(0, 2))),
        st.tuples(st.just("schedule"), st.tuples(st.sampled_from(PODS), st.integers(0, 2))),
        st.tuples(st.just("relabel"), st.tuples(st.sampled_from(PODS), st.sampled_from(APPS))),
        st.tuples(st.just("terminate"), st.sampled_from(PODS)),
        st.tuples(st.just("no pod"), st.sampled_from(PODS)),
        st.tuples(st.just("namespace"), st.sampled_from(["x", "y", ""])),
    ),
    max_size=30,
)


class Pair:
    """The tested cache and cycle, and the plain state beside them."""

    def __init__(self, beginning: list[Object], templates: list[Object]) -> None:
        self.cache, self.state = SchedulerCache(), State()
        self.cycle = Cycle(default_profile(_no_workload), random.Random(1))
        self.templates = templates
        for one in beginning:
            self.put_node(one)

    def put_node(self, one: Object) -> None:
        self.state.nodes[one["metadata"]["name"]] = one
        self.cache.set_node(one)

    def step(self, kind: str, what: Any) -> None:
        if kind == "node":
            self.put_node(what)
        elif kind == "no node":
            self.state.nodes.pop(what, None)
            self.cache.remove_node(what)
        elif kind == "schedule":
            self.schedule(what[0], self.templates[what[1] % len(self.templates)])
        elif kind == "namespace":
            self.set_namespace(what)
        elif kind == "no pod":
            if self.state.pods.pop(what, None):
                self.cache.remove(what)
        elif kind == "relabel":
            self.change(what[0], labels={"app": what[1]})
        elif kind == "terminate":
            self.change(what, deletionTimestamp="2026-01-01T00:00:00Z")

    def set_namespace(self, team: str) -> None:
        self.state.namespaces.pop("other", None)
        if team:
            self.state.namespaces["other"] = {"team": team}
        self.cache.set_namespace("other", {"team": team} if team else None)

    def change(self, uid: str, **metadata: Any) -> None:
        if uid in self.state.pods:
            old, on = self.state.pods[uid]
            new = {**old, "metadata": {**old["metadata"], **metadata}}
            self.state.pods[uid] = new, on
            self.cache.place(parse_pod(new), on)

    def schedule(self, uid: str, template: Object) -> None:
        if uid in self.state.pods:
            return
        one = pod(uid, uid=uid, **template)
        parsed = parse_pod(one)
        decision = self.cycle.decide(parsed, self.cache.nodes)
        check(one, decision, self.state)
        if decision.node:
            self.state.pods[uid] = one, decision.node
            self.cache.assume(parsed, decision.node)


def _no_workload(pod: PodInfo) -> Selector | None:
    return None


def check(one: Object, decision: Decision, state: State) -> None:
    refusals = {name: reference.first_refusal(one, each, state) for name, each in state.nodes.items()}
    counts: dict[str, int] = {}
    for plugin in filter(None, refusals.values()):
        counts[plugin] = counts.get(plugin, 0) + 1
    assert dict(decision.rejected) == counts
    feasible = [each for name, each in state.nodes.items() if not refusals[name]]
    assert decision.feasible == len(feasible)
    if not feasible:
        assert not decision.node
        return
    assert not refusals[decision.node]
    if len(feasible) == 1:
        return
    scores = reference.scores(one, feasible, state)
    totals = {
        reference.name(each): sum(
            reference.WEIGHTS[plugin] * per_node[reference.name(each)] for plugin, per_node in scores.items()
        )
        for each in feasible
    }
    shown = decision.best[0]
    # A plugin that gives every node the same may be left out: it changes no choice.
    constant = sum(
        reference.WEIGHTS[plugin] * per_node[decision.node]
        for plugin, per_node in scores.items()
        if plugin not in shown.scores
    )
    for plugin in scores.keys() - shown.scores.keys():
        assert len(set(scores[plugin].values())) == 1, plugin
    for card in decision.best:
        assert {plugin: scores[plugin][card.node] for plugin in card.scores} == dict(card.scores)
        assert card.total + constant == totals[card.node]
    assert totals[decision.node] == max(totals.values())


@examples(40)
@given(st.lists(nodes, min_size=2, max_size=8), st.lists(templates, min_size=1, max_size=3), steps)
def test_decisions_equal_the_rules_applied_node_by_node(
    beginning: list[Object], templates: list[Object], steps: list[tuple[str, Any]]
) -> None:
    pair = Pair(beginning, templates)
    for uid in PODS[:4]:
        pair.schedule(uid, templates[0])
    for kind, what in steps:
        pair.step(kind, what)


@examples(20)
@given(st.lists(nodes, min_size=2, max_size=8), st.lists(templates, min_size=1, max_size=3), steps)
def test_what_is_kept_equals_a_fresh_start(
    beginning: list[Object], templates: list[Object], steps: list[tuple[str, Any]]
) -> None:
    """After the whole history, a cycle that has seen all of it and one that sees only the outcome say the same."""
    pair = Pair(beginning, templates)
    for kind, what in steps:
        pair.step(kind, what)
    fresh = SchedulerCache()
    for name, labels in pair.state.namespaces.items():
        fresh.set_namespace(name, labels)
    for each in pair.state.nodes.values():
        fresh.set_node(each)
    for one, on in pair.state.pods.values():
        fresh.place(parse_pod(one), on)
    cycle = Cycle(default_profile(_no_workload), random.Random(1))
    for template in templates:
        asked = parse_pod(pod("late", **template))
        old, new = pair.cycle.decide(asked, pair.cache.nodes), cycle.decide(asked, fresh.nodes)
        assert (old.rejected, old.feasible, old.message) == (new.rejected, new.feasible, new.message)
