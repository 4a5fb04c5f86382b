"""Nodes, pods, and the scheduling cycle with the default profile and preemption, without a loop around them."""

import random
from typing import Any

from pinnace.apimachinery.selectors import Selector
from pinnace.apimachinery.times import parse_time
from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.cycle import Cycle
from pinnace.scheduler.decisions import Decision, Preemption
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.pod_parsing import parse_pod
from pinnace.scheduler.preemption import DefaultPreemption
from pinnace.scheduler.profiles import Parts, build_profile
from pinnace.scheduler.settings import PluginArgs, PreemptionArgs, ProfileSettings
from pinnace.scheduler.storage import Storage

Object = dict[str, Any]


class World:
    def __init__(
        self, *nodes: Object, args: PreemptionArgs | None = None, seed: int = 7, plugins: PluginArgs | None = None,
        settings: ProfileSettings | None = None, selector: Selector | None = None,
    ) -> None:  # fmt: skip
        self.cache = SchedulerCache()
        for one in nodes:
            self.cache.set_node(one)
        self.budgets, self.nominator = Budgets(), Nominator(self.cache.nodes)
        rng = random.Random(seed)
        preemption = DefaultPreemption(self.nominator, self.budgets, rng, started, args or PreemptionArgs())
        self.profile = build_profile(
            settings or ProfileSettings(args=plugins or PluginArgs()), Parts(lambda pod: selector, Storage())
        )
        self.cycle = Cycle(self.profile, rng, self.nominator, preemption)

    def run(self, *pods: Object) -> "World":
        for one in pods:
            self.cache.place(parse_pod(one), one["spec"]["nodeName"])
        return self

    def nominate(self, one: Object, name: str) -> "World":
        self.nominator.nominate(parse_pod(one), name)
        return self

    def decide(self, one: Object) -> Decision:
        return self.cycle.decide(parse_pod(one), self.cache.nodes)

    def schedule(self, one: Object) -> str:
        decision = self.decide(one)
        if decision.node:
            self.cache.assume(parse_pod(one), decision.node)
        return decision.node

    def preempt(self, one: Object) -> Preemption:
        decision = self.decide(one)
        assert decision.preemption is not None, decision
        return decision.preemption

    def victims(self, one: Object) -> tuple[str, list[str]]:
        """The node, and the names of the victims in the order of their importance."""
        preemption = self.preempt(one)
        return preemption.node, [victim.name for victim in preemption.victims]


def started(pod: PodInfo) -> float:
    begun = (pod.object.get("status") or {}).get("startTime")
    return parse_time(begun).timestamp() if begun else pod.created
