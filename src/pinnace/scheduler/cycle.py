"""The scheduling cycle: one pod and the node table in, one decision out. Pure, apart from what it keeps to share work.

For each demand (all pods of one template) the masks and scores of plugins that read only nodes are kept; of those that read
a node's usage only the rows that changed are computed again, so that a burst of equal pods costs a few rows each.
"""

import random
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from pinnace.scheduler import preemption
from pinnace.scheduler.decisions import NO_NODES, Decision, NodeScoreCard, fit_error
from pinnace.scheduler.framework import Demand, Mask, NodeTable, PodInfo, Refusal, Rows, Scores
from pinnace.scheduler.profiles import Profile

KEPT_DEMANDS = 256
BEST_SHOWN = 3


@dataclass(slots=True)
class _Kept:
    """Answers for one demand, in the order of the profile; None where the plugin has nothing to say or reads pods."""

    spec_version: int
    usage_version: int
    masks: list[Mask | None]
    scores: list[Scores | None]


class Cycle:
    def __init__(self, profile: Profile, rng: random.Random) -> None:
        self._profile, self._rng = profile, rng
        self._kept: OrderedDict[Demand, _Kept] = OrderedDict()

    def decide(self, pod: PodInfo, nodes: NodeTable) -> Decision:
        """The node for the pod, or why there is none."""
        if not len(nodes):
            return Decision(pod.namespace, pod.name, "", 0, 0, {}, message=NO_NODES)
        kept = self._refresh(pod, nodes)
        feasible, rejected = self._filter(pod, nodes, kept)
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

    # --- refusal

    def _unfit(self, pod: PodInfo, nodes: NodeTable, kept: _Kept, rejected: dict[str, int]) -> Decision:
        refusals = self._refusals(pod, nodes, kept)
        texts = [reason for refusal in refusals.values() for reason in refusal.reasons]
        message = fit_error(len(nodes), texts, preemption.explain(pod, nodes, refusals))
        return Decision(
            pod.namespace, pod.name, "", len(nodes), 0, rejected, message=message, plugins=frozenset(rejected)
        )

    def _refusals(self, pod: PodInfo, nodes: NodeTable, kept: _Kept) -> dict[int, Refusal]:
        """Row -> the refusal of the first plugin that refused it."""
        remaining, narrowed = self._candidates(pod, nodes)
        never = Refusal(
            (f"node(s) didn't satisfy plugin(s) [{' '.join(narrowed)}]",), preemption_may_help=False
        )
        found = dict.fromkeys(np.flatnonzero(nodes.exists & ~remaining).tolist(), never)
        for plugin, mask in zip(self._profile.filters, kept.masks, strict=True):
            if plugin.reads == "pods":
                mask = plugin.filter(pod, nodes) if plugin.applies(pod, nodes) else None
            if mask is None:
                continue
            rows = np.flatnonzero(remaining & ~mask)
            if not len(rows):
                continue
            if plugin.reads == "nodes":
                refusals = [Refusal((plugin.rejection,), plugin.preemption_may_help)] * len(rows)
            elif plugin.reads == "usage":
                refusals = plugin.refusals(pod, nodes.usage.at(rows))
            else:
                refusals = plugin.refusals(pod, nodes, rows)
            found.update(zip(rows.tolist(), refusals, strict=True))
            remaining &= mask
        return found
