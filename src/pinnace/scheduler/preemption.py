"""DefaultPreemption: what to do with a pod that fits nowhere. Pure: says who is to be evicted where; `eviction` does it.

Nodes are narrowed down by sums of what pods of lower priority use, over all nodes at once; a tenth of those left (at least a
hundred), from a random offset, are then tried exactly (`victims`). What was found for a demand is kept per node until the
node's pods or budgets change, so that a burst of equal pods tries few nodes each.
"""

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.columns import Ints, grown
from pinnace.scheduler.decisions import Decision, Preemption, fit_error
from pinnace.scheduler.framework import Mask, NodeTable, PodInfo, Rows
from pinnace.scheduler.nomination import Nominator, is_leaving_by_preemption
from pinnace.scheduler.pod_info import PODS
from pinnace.scheduler.profiles import Profile
from pinnace.scheduler.refusals import Refusals
from pinnace.scheduler.settings import DEFAULT_ARGS, PreemptionArgs
from pinnace.scheduler.victims import NO_VICTIMS, Candidate, PriorityUsage, Search, VictimFinder

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER = "not eligible due to preemptionPolicy=Never."
WAITING = "not eligible due to a terminating pod on the nominated node."
KEPT_SHORTLISTS = 16
BATCH = 64  # trying a few nodes more now is cheaper than one after the other later


@dataclass(slots=True)
class _Shortlist:
    """Candidates by row for what pods ask of a node by itself and one priority, as of the row's usage and nominations."""

    stamps: Ints
    is_candidate: Mask
    weights: NDArray[np.float64]  # (5, rows), see Candidate.weight
    candidates: dict[int, Candidate] = field(default_factory=dict)

    @classmethod
    def empty(cls, capacity: int) -> "_Shortlist":
        stamps = np.full((2, capacity), -1, np.int64)
        return cls(stamps, np.zeros(capacity, np.bool_), np.zeros((5, capacity)))

    def grow(self, capacity: int) -> None:
        if self.is_candidate.shape[0] < capacity:
            self.stamps = grown(self.stamps, capacity, -1)
            self.is_candidate = grown(self.is_candidate, capacity)
            self.weights = grown(self.weights, capacity)

    def rule_out(self, rows: Mask | Rows, versions: Ints, nominations: Ints) -> None:
        self.stamps[0, rows], self.stamps[1, rows] = versions[rows], nominations[rows]
        self.is_candidate[rows] = False

    def put(self, rows: Rows, candidates: list[Candidate], versions: Ints, nominations: Ints) -> None:
        """The rows were tried, and these are the candidates among them."""
        self.rule_out(rows, versions, nominations)
        for candidate in candidates:
            self.candidates[candidate.row] = candidate
            self.weights[:, candidate.row] = candidate.weight
            self.is_candidate[candidate.row] = True


class DefaultPreemption:
    name = "DefaultPreemption"

    def __init__(
        self, nominator: Nominator, budgets: Budgets, rng: random.Random,
        started: Callable[[PodInfo], float] = lambda pod: 0.0, args: PreemptionArgs = DEFAULT_ARGS.preemption,
    ) -> None:  # fmt: skip
        self._nominator, self._budgets, self._rng, self._args = nominator, budgets, rng, args
        self._finder = VictimFinder(nominator, budgets, started)
        self._sums = PriorityUsage()
        self._shortlists: OrderedDict[tuple[object, int], _Shortlist] = OrderedDict()
        self._seen = (-1, -1)

    def decide(self, search: Search, refusals: Refusals, allowed: Mask) -> Preemption:
        """`allowed`: nodes that no filter of node specs refuses."""
        pod, nodes = search.pod, search.nodes
        if pod.object["spec"].get("preemptionPolicy") == "Never":
            return Preemption(message=f"preemption: {NEVER}", keeps=True)
        if self._waits_for_victims(pod, nodes, refusals):
            return Preemption(message=f"preemption: {WAITING}", keeps=True)
        helped = refusals.helped_by_preemption()
        potential = np.flatnonzero(helped)
        best = None
        if len(potential):
            best = self._best(search, helped & allowed, self._args.wanted(len(potential)))
        if best is None:
            return Preemption(message=self._why_not(search, potential))
        return Preemption(nodes.names[best.row], best.victims)

    def _waits_for_victims(self, pod: PodInfo, nodes: NodeTable, refusals: Refusals) -> bool:
        """Its victims are still on their way out; unless the node cannot take the pod in any case."""
        row = nodes.row_of.get(self._nominator.node_of(pod.uid))
        if row is None:
            return False
        refusal = refusals.get(row)
        if refusal is not None and not refusal.preemption_may_help:
            return False
        return any(
            other.priority < pod.priority and is_leaving_by_preemption(other)
            for other in nodes.pods[row].values()
        )

    def _has_promise(self, search: Search, among: Mask) -> Mask:
        """Nodes that have pods of lower priority, whose requests would be enough."""
        pod, nodes = search.pod, search.nodes
        usage, lower = nodes.usage, self._sums.lower(pod.priority, nodes)
        mask = among & (lower[usage.resources[PODS]] > 0)
        rows = np.flatnonzero(mask)
        left = usage.at(rows)
        if len(self._nominator):
            self._nominator.charge(pod, left, rows)
        left.requested -= lower[:, rows]
        for plugin in search.usage_filters:
            if plugin.name == "NodeResourcesFit":
                mask[rows] = plugin.filter(pod, left)
        return mask

    def _in_turn(self, rows: Rows) -> Rows:
        """From a random offset on, so that not all pods try the same nodes."""
        offset = self._rng.randrange(len(rows)) if len(rows) else 0
        return np.concatenate((rows[offset:], rows[:offset]))

    def _best(self, search: Search, among: Mask, wanted: int) -> Candidate | None:
        """Nodes where no pod has a part in what pod filters say are tried first, many at a time."""
        if not search.pod_filters:
            return self._best_of_shortlist(search, among, wanted)[0]
        calm = np.zeros_like(among)
        calm[self._finder.admitted(search, np.flatnonzero(among & ~search.involved))] = True
        alone = Search(search.pod, search.nodes, search.usage_filters, [])
        best, count = self._best_of_shortlist(alone, calm, wanted)
        found = [best] if best is not None else []
        others = among & search.involved
        rows = np.flatnonzero(self._has_promise(search, others)) if count < wanted else np.empty(0, np.intp)
        for row in self._in_turn(rows):
            candidates = self._finder.find(search, np.array([row]))
            found += candidates
            count += len(candidates)
            if count >= wanted:
                break
        return min(found, key=lambda candidate: candidate.weight, default=None)

    def _best_of_shortlist(self, search: Search, among: Mask, wanted: int) -> tuple[Candidate | None, int]:
        """And how many it was chosen from."""
        kept = self._shortlist(search)
        versions, nominations = search.nodes.row_version, self._nominator.changed()
        own = search.nodes.row_of.get(self._nominator.node_of(search.pod.uid))
        if own is not None:  # its own nomination counts for equal pods, not for itself
            kept.stamps[:, own] = -1
        current = (kept.stamps[0] == versions) & (kept.stamps[1] == nominations)
        good = among & current & kept.is_candidate
        missing = wanted - int(np.count_nonzero(good))
        if missing > 0:
            unknown = among & ~current
            promising = self._has_promise(search, unknown)
            kept.rule_out(unknown & ~promising, versions, nominations)
            rows = self._in_turn(np.flatnonzero(promising))
            while missing > 0 and len(rows):
                size = max(missing, min(BATCH, wanted))
                batch, rows = rows[:size], rows[size:]
                search.refused = {}
                candidates = self._finder.find(search, batch)
                kept.put(batch, candidates, versions, nominations)
                missing -= len(candidates)
                good[[candidate.row for candidate in candidates]] = True
        if own is not None:
            kept.stamps[:, own] = -1
        rows = np.flatnonzero(good)
        count = len(rows)
        for weights in kept.weights:
            if len(rows) > 1:
                chosen = weights[rows]
                rows = rows[chosen == chosen.min()]
        return (kept.candidates[int(rows[0])], count) if len(rows) else (None, 0)

    def _shortlist(self, search: Search) -> _Shortlist:
        seen = search.nodes.spec_version, self._budgets.version
        if seen != self._seen:
            self._shortlists.clear()
            self._seen = seen
        key = search.pod.demand.alone, search.pod.priority
        kept = self._shortlists.get(key)
        if kept is None:
            kept = self._shortlists[key] = _Shortlist.empty(len(search.nodes.names))
            if len(self._shortlists) > KEPT_SHORTLISTS:
                self._shortlists.popitem(last=False)
        self._shortlists.move_to_end(key)
        kept.grow(len(search.nodes.names))
        return kept

    def _why_not(self, search: Search, potential: Rows) -> str:
        """Every node that preemption might have freed says why it does not."""
        pod, nodes = search.pod, search.nodes
        texts = [NOT_HELPFUL] * (len(nodes) - len(potential))
        search.refused = {}
        counts = self._sums.lower(pod.priority, nodes)[nodes.usage.resources[PODS]]
        with_lower = potential[counts[potential] > 0]
        texts += NO_VICTIMS.reasons * (len(potential) - len(with_lower))
        fits = {candidate.row for candidate in self._finder.find(search, with_lower)}
        for row in with_lower.tolist():
            texts += search.refused[row].reasons if row not in fits else (NOT_HELPFUL,)
        return f"preemption: {fit_error(len(nodes), texts)}"


def after_filters(pod: PodInfo, profile: Profile, preemption: Preemption | None) -> str:
    """What DynamicResources and preemption say about a pod that fits nowhere; "" when preemption helps."""
    if preemption is not None and preemption.node:
        return ""
    words = [preemption.message] if preemption is not None else []
    if profile.frees_claims:
        words.insert(0, "still not schedulable" if pod.has_claims else "no new claims to deallocate")
    return ", ".join(words)


def rejected_everywhere(pod: PodInfo, plugin: str, why: str, nodes: int, profile: Profile) -> Decision:
    """A plugin refuses the pod before it looks at any node, and no eviction would change that."""
    never = pod.object["spec"].get("preemptionPolicy") == "Never"
    reason = NEVER if never else fit_error(nodes, [NOT_HELPFUL] * nodes)
    words = [f"preemption: {reason}"] if profile.preemption is not None else []
    if profile.frees_claims:
        # Upstream's DynamicResources misses what it would have noted, had the pod come that far.
        words = ["not found"] if plugin != "DynamicResources" else ["no new claims to deallocate", *words]
    message = f"0/{nodes} nodes are available: {why}."
    return Decision(
        pod.namespace, pod.name, "", nodes, 0, {plugin: nodes},
        message=f"{message} {', '.join(words)}".rstrip(), plugins=frozenset((plugin,)),
    )  # fmt: skip
