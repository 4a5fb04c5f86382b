"""The scheduling cycle: one pod and the node table in, one decision out. Pure, apart from what it keeps to share work.

For each demand (all pods of one template) the masks and scores of plugins that read only nodes are kept; of those that read
a node's usage only the rows that changed are computed again, so that a burst of equal pods costs a few rows each.
"""

import random
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from pinnace.scheduler.columns import ABSENT
from pinnace.scheduler.decisions import NO_NODES, Decision, NodeScoreCard, Preemption, fit_error
from pinnace.scheduler.framework import Demand, Mask, NodeTable, PodInfo, Rows, Scores
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.preemption import DefaultPreemption
from pinnace.scheduler.profiles import Filter, Profile
from pinnace.scheduler.refusals import Refusals, ask_again, never_looked_at
from pinnace.scheduler.victims import Search

KEPT_DEMANDS = 256
BEST_SHOWN = 3


@dataclass(slots=True)
class _Kept:
    """Answers for one demand, in the order of the profile; None where the plugin has nothing to say or reads pods."""

    spec_version: int
    usage_version: int
    masks: list[Mask | None]
    scores: list[Scores | None]
    refusals: Refusals | None = None  # by these masks alone, as of `refused_version`
    refused_version: int = -1


class Cycle:
    """`nominator` and `preemption` go together; without them a pod that fits nowhere is only refused."""

    def __init__(
        self, profile: Profile, rng: random.Random, nominator: Nominator | None = None,
        preemption: DefaultPreemption | None = None,
    ) -> None:  # fmt: skip
        self._profile, self._rng = profile, rng
        self._nominator, self._preemption = nominator, preemption
        self._kept: OrderedDict[Demand, _Kept] = OrderedDict()

    def decide(self, pod: PodInfo, nodes: NodeTable) -> Decision:
        """The node for the pod, or why there is none."""
        if not len(nodes):
            return Decision(pod.namespace, pod.name, "", 0, 0, {}, message=NO_NODES)
        kept = self._refresh(pod, nodes)
        feasible, rejected = self._filter(pod, nodes, kept)
        if self._nominator:
            feasible = self._respect_nominated(pod, nodes, feasible, rejected)
        rows = np.flatnonzero(feasible)
        if not len(rows):
            return self._unfit(pod, nodes, kept, rejected)
        cards = self._rank(pod, nodes, kept, rows)
        return Decision(pod.namespace, pod.name, cards[0].node, len(nodes), len(rows), rejected, cards)

    # --- what is kept per demand

    def _refresh(self, pod: PodInfo, nodes: NodeTable) -> _Kept:
        kept = self._kept.get(pod.demand)
        if kept is None or kept.spec_version != nodes.spec_version:
            kept = self._kept[pod.demand] = self._compute(pod, nodes)
            if len(self._kept) > KEPT_DEMANDS:
                self._kept.popitem(last=False)
        elif kept.usage_version != nodes.usage_version:
            self._update(pod, nodes, kept)
        self._kept.move_to_end(pod.demand)
        return kept

    def _compute(self, pod: PodInfo, nodes: NodeTable) -> _Kept:
        masks: list[Mask | None] = []
        for plugin in self._profile.filters:
            if plugin.reads == "pods" or not plugin.applies(pod.demand):
                masks.append(None)
            elif plugin.reads == "nodes":
                masks.append(plugin.filter(pod, nodes))
            else:
                masks.append(plugin.filter(pod, nodes.usage))
        scores: list[Scores | None] = []
        for scorer, _ in self._profile.scores:
            if scorer.score_reads == "nodes":
                scores.append(scorer.score(pod, nodes) if scorer.scores(pod, nodes) else None)
            elif scorer.score_reads == "usage":
                scores.append(scorer.score(pod, nodes.usage) if scorer.scores(pod.demand) else None)
            else:
                scores.append(None)
        return _Kept(nodes.spec_version, nodes.usage_version, masks, scores)

    def _update(self, pod: PodInfo, nodes: NodeTable, kept: _Kept) -> None:
        rows = nodes.rows_changed_since(kept.usage_version)
        usage = nodes.usage.at(rows)
        for plugin, mask in zip(self._profile.filters, kept.masks, strict=True):
            if plugin.reads == "usage" and mask is not None:
                mask[rows] = plugin.filter(pod, usage)
        for (scorer, _), scores in zip(self._profile.scores, kept.scores, strict=True):
            if scorer.score_reads == "usage" and scores is not None:
                scores[rows] = scorer.score(pod, usage)
        kept.usage_version = nodes.usage_version

    # --- filter

    def _candidates(self, pod: PodInfo, nodes: NodeTable) -> tuple[Mask, list[str]]:
        """The nodes worth a look, and the plugins that narrowed them."""
        mask, narrowed = nodes.exists.copy(), []
        for plugin in self._profile.prefilters:
            names = plugin.candidates(pod.demand)
            if names is not None:
                chosen = np.zeros_like(mask)
                chosen[[nodes.row_of[name] for name in names if name in nodes.row_of]] = True
                mask &= chosen
                narrowed.append(plugin.name)
        return mask, narrowed

    def _filter(self, pod: PodInfo, nodes: NodeTable, kept: _Kept) -> tuple[Mask, dict[str, int]]:
        feasible, narrowed = self._candidates(pod, nodes)
        rejected: dict[str, int] = {}
        left = len(nodes)
        if narrowed:
            left = int(np.count_nonzero(feasible))
            rejected[narrowed[0]] = len(nodes) - left
        for plugin, mask in zip(self._profile.filters, kept.masks, strict=True):
            if plugin.reads == "pods":
                if not left or not plugin.applies(pod, nodes):
                    continue
                mask = plugin.filter(pod, nodes)
            if mask is None:
                continue
            feasible &= mask
            remaining = int(np.count_nonzero(feasible))
            if remaining != left:
                rejected[plugin.name] = rejected.get(plugin.name, 0) + left - remaining
                left = remaining
        return feasible, rejected

    # --- score

    def _rank(self, pod: PodInfo, nodes: NodeTable, kept: _Kept, rows: Rows) -> tuple[NodeScoreCard, ...]:
        """The best nodes, the chosen one first; among equals the choice is random."""
        if len(rows) == 1:
            return (NodeScoreCard(nodes.names[rows[0]], 0, {}),)
        columns = self._scores(pod, nodes, kept, rows)
        total = np.zeros(len(rows), np.int64)
        for (_, weight), scores in columns:
            total += weight * scores
        ties = np.flatnonzero(total == total.max())
        chosen = ties[self._rng.randrange(len(ties))]
        shown = [chosen, *(tie for tie in ties[:BEST_SHOWN] if tie != chosen)]
        if len(ties) == 1:
            others = total.copy()
            others[chosen] = -1
            shown.append(others.argmax())
        return tuple(
            NodeScoreCard(
                nodes.names[rows[at]],
                int(total[at]),
                {name: int(scores[at]) for (name, _), scores in columns},
            )
            for at in shown[:BEST_SHOWN]
        )

    def _scores(
        self, pod: PodInfo, nodes: NodeTable, kept: _Kept, rows: Rows
    ) -> list[tuple[tuple[str, int], Scores]]:
        found = []
        everywhere = len(rows) == len(nodes.exists)
        for (scorer, weight), whole in zip(self._profile.scores, kept.scores, strict=True):
            if scorer.score_reads == "pods":
                if not scorer.scores(pod, nodes):
                    continue
                scores = scorer.score(pod, nodes, rows)
            elif whole is None:
                continue
            else:
                scores = whole if everywhere else whole[rows]
                if scorer.score_reads == "nodes":
                    scores = scorer.normalize(scores)
            found.append(((scorer.name, weight), scores))
        return found

    # --- nominated pods

    def _respect_nominated(
        self, pod: PodInfo, nodes: NodeTable, feasible: Mask, rejected: dict[str, int]
    ) -> Mask:
        """The pod must also fit with the nominated pods that count for it; its own nominated node comes first."""
        assert self._nominator is not None
        for plugin, mask, _ in self._beside_nominated(pod, nodes, feasible):
            refused = int(np.count_nonzero(feasible & ~mask))
            if refused:
                rejected[plugin.name] = rejected.get(plugin.name, 0) + refused
                feasible = feasible & mask
        own = nodes.row_of.get(self._nominator.node_of(pod.uid))
        if own is not None and feasible[own]:
            feasible = np.zeros_like(feasible)
            feasible[own] = True
        return feasible

    def _beside_nominated(
        self, pod: PodInfo, nodes: NodeTable, among: Mask
    ) -> list[tuple[Filter, Mask, Refusals]]:
        """What filters say about these nodes with the nominated pods on them: plugin, mask over all nodes, refusals."""
        assert self._nominator is not None
        rows = self._nominator.rows(pod)
        rows = rows[among[rows]]
        answers: list[tuple[Filter, Mask, Refusals]] = []
        if len(rows):
            usage = nodes.usage.at(rows)
            self._nominator.charge(pod, usage, rows)
            for plugin in self._profile.filters:
                if plugin.reads != "usage" or not plugin.applies(pod.demand):
                    continue
                fits, mask, refusals = (
                    plugin.filter(pod, usage),
                    np.ones_like(among),
                    Refusals.empty(len(among)),
                )
                if not fits.all():
                    mask[rows] = fits
                    refusals.put(rows[~fits], plugin.refusals(pod, usage.at(np.flatnonzero(~fits))))
                answers.append((plugin, mask, refusals))
        looking = [p for p in self._profile.filters if p.reads == "pods" and p.applies(pod, nodes)]
        if looking:
            with self._nominator.placed(pod):
                for look in looking:
                    mask, refusals = look.filter(pod, nodes), Refusals.empty(len(among))
                    if not mask[among].all():
                        refused = np.flatnonzero(among & ~mask)
                        refusals.put(refused, look.refusals(pod, nodes, refused))
                    answers.append((look, mask, refusals))
        return answers

    # --- refusal

    def _unfit(self, pod: PodInfo, nodes: NodeTable, kept: _Kept, rejected: dict[str, int]) -> Decision:
        refusals = self._refusals(pod, nodes, kept)
        preemption = self._preempt(pod, nodes, kept, refusals)
        message = fit_error(len(nodes), refusals.reasons(), preemption.message if preemption else "")
        return Decision(
            pod.namespace, pod.name, "", len(nodes), 0, rejected, message=message,
            plugins=frozenset(rejected), preemption=preemption,
        )  # fmt: skip

    def _preempt(self, pod: PodInfo, nodes: NodeTable, kept: _Kept, refusals: Refusals) -> Preemption | None:
        if self._preemption is None:
            return None
        allowed, _ = self._candidates(pod, nodes)
        search = Search(pod, nodes, [], [])
        for plugin, mask in zip(self._profile.filters, kept.masks, strict=True):
            if plugin.reads == "nodes" and mask is not None:
                allowed &= mask
            elif plugin.reads == "usage" and mask is not None:
                search.usage_filters.append(plugin)
            elif plugin.reads == "pods" and plugin.applies(pod, nodes):
                search.pod_filters.append(plugin)
        return self._preemption.decide(search, refusals, allowed)

    def _refusals(self, pod: PodInfo, nodes: NodeTable, kept: _Kept) -> Refusals:
        """Each node's refusal by the first plugin that refused it."""
        filters, lasting = [], True
        for plugin, mask in zip(self._profile.filters, kept.masks, strict=True):
            if plugin.reads == "pods" and plugin.applies(pod, nodes):
                mask, lasting = plugin.filter(pod, nodes), False
            if mask is not None:
                filters.append((plugin, mask))
        among = nodes.exists
        if lasting and kept.refusals is not None:
            found = kept.refusals
            among = np.zeros_like(among)
            among[nodes.rows_changed_since(kept.refused_version)] = True
            among &= nodes.exists
        else:
            found = Refusals.empty(len(among))
        looked_at, narrowed = self._candidates(pod, nodes)
        if narrowed:
            found.put(np.flatnonzero(among & ~looked_at), never_looked_at(narrowed))
        ask_again(found, pod, nodes, filters, among & looked_at)
        if lasting:
            kept.refusals, kept.refused_version = found, nodes.usage_version
        return self._refusals_of_nominated(pod, nodes, found) if self._nominator else found

    def _refusals_of_nominated(self, pod: PodInfo, nodes: NodeTable, found: Refusals) -> Refusals:
        """Nodes that only nominated pods keep the pod from."""
        among = nodes.exists & (found.ids == ABSENT)
        if not among.any():
            return found
        found = found.copy()
        for _, mask, refusals in self._beside_nominated(pod, nodes, among):
            found.merge(np.flatnonzero(among & ~mask), refusals)
            among &= mask
        return found
