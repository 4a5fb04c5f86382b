"""Whatever happened, a scheduler that has seen all of it and one that sees only the outcome decide alike.

Several profiles share nodes, nominations, budgets and volumes; what is kept is dropped early, so that all that is built again
is built again often.
"""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.scheduler import columns, kept, node_table, pod_columns
from pinnace.scheduler import preemption as preempting
from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.configuration import read
from pinnace.scheduler.cycle import Cycle
from pinnace.scheduler.decisions import Decision
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.preemption import DefaultPreemption
from pinnace.scheduler.profiles import Parts, build_profile
from pinnace.scheduler.settings import PreemptionArgs
from pinnace.scheduler.storage import Storage
from properties import examples
from unit.scheduler.objects import pod
from unit.scheduler.test_against_reference import APPS, NODES, ZONE, nodes, templates
from unit.scheduler.world import started

Object = dict[str, Any]
PODS = [f"p{i}" for i in range(10)]
PRIORITIES = {uid: number % 3 * 5 for number, uid in enumerate(PODS)}
CLAIMS = ["c0", "c1"]
PROFILES = read({
    "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
    "profiles": [{"schedulerName": "default-scheduler"}, {
        "schedulerName": "packing",
        "pluginConfig": [
            {"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "MostAllocated"}}},
            {"name": "NodeAffinity", "args": {"addedAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["hdd"]}]}]}}}},
        ],
        "plugins": {"filter": {"disabled": [{"name": "TaintToleration"}]}},
    }],
}).profiles  # fmt: skip

uids, claims, choices = st.sampled_from(PODS), st.sampled_from(CLAIMS), st.integers(0, 2)
volumes = st.sampled_from([[], [], [], ["c0"], ["c1"], ["c0", "c1"]])
step = st.one_of(
    st.tuples(st.just("node"), nodes),
    st.tuples(st.just("no_node"), st.sampled_from(NODES)),
    st.tuples(st.just("schedule"), st.tuples(uids, choices, volumes)),
    st.tuples(st.just("schedule"), st.tuples(uids, choices, volumes)),
    st.tuples(st.just("ask"), st.tuples(uids, choices, volumes)),
    st.tuples(st.just("nominate"), st.tuples(uids, choices, st.sampled_from(NODES))),
    st.tuples(st.just("withdraw"), uids),
    st.tuples(st.just("relabel"), st.tuples(uids, st.sampled_from(APPS))),
    st.tuples(st.just("terminate"), uids),
    st.tuples(st.just("no_pod"), uids),
    st.tuples(st.just("namespace"), st.sampled_from(["x", "y", ""])),
    st.tuples(st.just("budget"), st.tuples(st.sampled_from(APPS), st.integers(0, 2))),
    st.tuples(st.just("volume"), st.tuples(claims, st.sampled_from(["", "a", "b"]))),
)
histories = st.lists(step, min_size=15, max_size=60)


class Side:
    """A scheduler without a loop; `objects` is what the API would show."""

    def __init__(self) -> None:
        self.cache, self.budgets, self.storage = SchedulerCache(), Budgets(), Storage()
        self.nominator = Nominator(self.cache.nodes)
        parts = Parts(lambda pod: None, self.storage)
        self.cycles = [
            Cycle(build_profile(one, parts), random.Random(1), self.nominator, self._preemption()) for one in PROFILES
        ]  # fmt: skip

    def _preemption(self) -> DefaultPreemption:
        return DefaultPreemption(self.nominator, self.budgets, random.Random(1), started, PreemptionArgs())

    def decide(self, one: Object) -> list[Decision]:
        return [cycle.decide(parse_pod(one), self.cache.nodes) for cycle in self.cycles]


class History(Side):
    def __init__(self, templates: list[Object]) -> None:
        super().__init__()
        self.templates = templates
        self.nodes: dict[str, Object] = {}
        self.placed: dict[str, tuple[Object, str]] = {}
        self.nominated: dict[str, tuple[Object, str]] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.pdbs: dict[str, Object] = {}
        self.claims: dict[str, tuple[Object, Object]] = {}

    def pod(self, uid: str, number: int, claims: list[str]) -> Object:
        template = self.templates[number % len(self.templates)]
        data = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
        return pod(uid, uid=uid, priority=PRIORITIES[uid], volumes=data, **template)

    def node(self, one: Object) -> None:
        self.nodes[one["metadata"]["name"]] = one
        self.cache.set_node(one)

    def no_node(self, name: str) -> None:
        self.nodes.pop(name, None)
        self.cache.remove_node(name)

    def ask(self, what: tuple[str, int, list[str]]) -> str:
        """All profiles decide; the first one's node."""
        one = self.pod(*what)
        if what[0] in self.placed:
            return ""
        found, fresh = self.decide(one), self.rebuilt().decide(one)
        for ours, theirs in zip(found, fresh, strict=True):
            mine, wanted = outcome(ours), outcome(theirs)
            assert mine == wanted, (mine, wanted)
        return found[0].node

    def schedule(self, what: tuple[str, int, list[str]]) -> None:
        if name := self.ask(what):
            one = self.pod(*what)
            self.placed[what[0]] = one, name
            self.cache.assume(parse_pod(one), name)
            self.withdraw(what[0])

    def nominate(self, what: tuple[str, int, str]) -> None:
        if what[0] not in self.placed:
            one = self.pod(what[0], what[1], [])
            self.nominated[what[0]] = one, what[2]
            self.nominator.nominate(parse_pod(one), what[2])

    def withdraw(self, uid: str) -> None:
        self.nominated.pop(uid, None)
        self.nominator.remove(uid)

    def relabel(self, what: tuple[str, str]) -> None:
        self._change(what[0], labels={"app": what[1]})

    def terminate(self, uid: str) -> None:
        self._change(uid, deletionTimestamp="2026-01-01T00:00:00Z")

    def _change(self, uid: str, **metadata: Any) -> None:
        if uid in self.placed:
            old, on = self.placed[uid]
            self.placed[uid] = {**old, "metadata": {**old["metadata"], **metadata}}, on
            self.cache.place(parse_pod(self.placed[uid][0]), on)

    def no_pod(self, uid: str) -> None:
        self.placed.pop(uid, None)
        self.cache.remove(uid)

    def namespace(self, team: str) -> None:
        self.namespaces = {"other": {"team": team}} if team else {}
        self.cache.set_namespace("other", self.namespaces.get("other"))

    def budget(self, what: tuple[str, int]) -> None:
        self.pdbs[what[0]] = {
            "metadata": {"name": what[0], "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": what[0]}}}, "status": {"disruptionsAllowed": what[1]},
        }  # fmt: skip
        self.budgets.put(self.pdbs[what[0]])

    def volume(self, what: tuple[str, str]) -> None:
        """The claim is bound to a volume of this zone; without a zone, it is gone."""
        name, zone = what
        for kind, old in zip(
            ("PersistentVolumeClaim", "PersistentVolume"), self.claims.pop(name, ()), strict=False
        ):
            self.storage.changed(kind, old, None)
        if zone:
            term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]}
            self.claims[name] = {
                "metadata": {"name": name, "namespace": "default", "uid": name,
                             "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
                "spec": {"volumeName": f"v-{name}"}, "status": {"phase": "Bound"},
            }, {
                "metadata": {"name": f"v-{name}"},
                "spec": {"claimRef": {"name": name, "namespace": "default", "uid": name},
                         "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}},
            }  # fmt: skip
            store(self.storage, self.claims[name])

    def rebuilt(self) -> Side:
        fresh = Side()
        for name, labels in self.namespaces.items():
            fresh.cache.set_namespace(name, labels)
        for one in self.nodes.values():
            fresh.cache.set_node(one)
        for one, on in self.placed.values():
            fresh.cache.place(parse_pod(one), on)
        for one, on in self.nominated.values():
            fresh.nominator.nominate(parse_pod(one), on)
        for budget in self.pdbs.values():
            fresh.budgets.put(budget)
        for pair in self.claims.values():
            store(fresh.storage, pair)
        return fresh


def store(storage: Storage, pair: tuple[Object, Object]) -> None:
    for kind, one in zip(("PersistentVolumeClaim", "PersistentVolume"), pair, strict=True):
        storage.changed(kind, None, one)


def outcome(decision: Decision) -> object:
    """All but the choice among equals."""
    preemption = decision.preemption
    losses = None
    if preemption is not None:
        priorities = sorted(victim.priority for victim in preemption.victims)
        losses = bool(preemption.node), preemption.message, preemption.keeps, priorities
    reasons = {(reason.text, reason.count) for reason in decision.reasons}
    # A plugin that gives every node the same may be left out, so only differences tell something.
    best = [card.total - decision.best[0].total for card in decision.best]
    return (
        bool(decision.node),
        decision.nodes,
        decision.feasible,
        dict(decision.rejected),
        decision.message,
        reasons,
        best,
        losses,
    )


@pytest.fixture(autouse=True, scope="module")
def little_is_kept() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "KEPT", 2)
        patch.setattr(pod_columns, "KEPT", 3)
        patch.setattr(node_table, "CHANGES_KEPT", 8)
        patch.setattr(node_table, "FIRST_CAPACITY", 2)
        patch.setattr(columns, "SPARE", 0)
        patch.setattr(preempting, "KEPT_SHORTLISTS", 2)
        yield


@examples(15)
@given(st.lists(nodes, min_size=1, max_size=6), st.lists(templates, min_size=2, max_size=3), histories)
def test_decides_as_if_it_had_just_started(
    beginning: list[Object], templates: list[Object], history: list[tuple[str, Any]]
) -> None:
    follow(beginning, templates, history)


@pytest.mark.slow
@examples(150)
@given(st.lists(nodes, min_size=1, max_size=6), st.lists(templates, min_size=2, max_size=3), histories)
def test_decides_as_if_it_had_just_started_after_many_histories(
    beginning: list[Object], templates: list[Object], history: list[tuple[str, Any]]
) -> None:
    follow(beginning, templates, history)


def follow(beginning: list[Object], templates: list[Object], history: list[tuple[str, Any]]) -> None:
    world = History(templates)
    for one in beginning:
        world.node(one)
    for kind, what in history:
        getattr(world, kind)(what)
    for number, uid in enumerate(PODS):
        world.ask((uid, number % 3, []))
