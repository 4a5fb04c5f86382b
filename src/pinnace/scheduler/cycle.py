"""The scheduling cycle: one pod and the node table in, one decision out. Pure, apart from what it keeps to share work.

For pods that ask the same of a node by itself (`Demand.alone`: all pods of a template) the answers of plugins that read only
nodes are kept; of those that read a node's usage only the rows that changed are computed again. So is the ranking by the
scores that need not be seen together: a burst of equal pods costs a few rows and one search for the best each.
"""

import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnace.scheduler import preemption
from pinnace.scheduler.decisions import NO_NODES, Decision, NodeScoreCard, fit_error
from pinnace.scheduler.framework import Mask, NodeTable, PodFilter, PodInfo, Refusal, Rows, Scores
from pinnace.scheduler.profiles import Profile

KEPT_DEMANDS = 64
BEST_SHOWN = 3
FITS, NO_NODE = -1, -2


@dataclass(slots=True)
class _Kept:
    """Answers for pods that ask the same of a node by itself, as of `usage_version`; kept current row by row.

    Lists are in the order of the profile, None where the plugin has nothing to say or reads pods.
    """

    spec_version: int
    usage_version: int
    masks: list[Mask | None]
    scores: list[Scores | None]
    first: NDArray[np.int8]  # which filter is the first to refuse the row; FITS, NO_NODE
    fits: Mask
    refused: list[int]  # how many nodes each filter was the first to refuse
    total: Scores  # the weighted sum of the scores that need not be seen together to be normalized
    ranked: Scores  # the same, -1 where the pod does not fit
    varying: list[int]  # positions of the scores that are not in `total`


class Cycle:
    def __init__(self, profile: Profile, rng: random.Random) -> None:
        self._profile, self._rng = profile, rng
        self._kept: OrderedDict[object, _Kept] = OrderedDict()
        self._usage_filters = [(i, f) for i, f in enumerate(profile.filters) if f.reads == "usage"]
        self._pod_filters = [(i, f) for i, f in enumerate(profile.filters) if f.reads == "pods"]
        self._usage_scores = [(i, s, w) for i, (s, w) in enumerate(profile.scores) if s.score_reads == "usage"]
        self._last_kept = max((i for i, f in enumerate(profile.filters) if f.reads != "pods"), default=-1)

    def decide(self, pod: PodInfo, nodes: NodeTable) -> Decision:
        """The node for the pod, or why there is none."""
        if not len(nodes):
            return Decision(pod.namespace, pod.name, "", 0, 0, {}, message=NO_NODES)
        kept = self._refresh(pod, nodes)
        feasible, rejected = self._filter(pod, nodes, kept)
        count = int(np.count_nonzero(feasible))
        if not count:
            return self._unfit(pod, nodes, kept, rejected)
        cards = self._rank(pod, nodes, kept, feasible, count)
        return Decision(pod.namespace, pod.name, cards[0].node, len(nodes), count, rejected, cards)

    # --- what is kept

    def _refresh(self, pod: PodInfo, nodes: NodeTable) -> _Kept:
        key = pod.demand.alone
        kept = self._kept.get(key)
        if kept is None or kept.spec_version != nodes.spec_version:
            kept = self._kept[key] = self._compute(pod, nodes)
            if len(self._kept) > KEPT_DEMANDS:
                self._kept.popitem(last=False)
        elif kept.usage_version != nodes.usage_version:
            self._update(pod, nodes, kept)
        self._kept.move_to_end(key)
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
        total, varying = np.zeros(len(nodes.exists), np.int64), []
        for position, (scorer, weight) in enumerate(self._profile.scores):
            found = None
            if scorer.score_reads == "usage" and scorer.scores(pod.demand):
                found = scorer.score(pod, nodes.usage)
                total += weight * found
            elif scorer.score_reads == "nodes" and scorer.scores(pod, nodes):
                found = scorer.score(pod, nodes)
            if scorer.score_reads == "pods" or (scorer.score_reads == "nodes" and found is not None):
                varying.append(position)
            scores.append(found)
        first = self._first_refusals(pod, nodes, masks)
        fits = first == FITS
        refused = np.bincount(first[first >= 0], minlength=len(masks)).tolist()
        return _Kept(
            nodes.spec_version, nodes.usage_version, masks, scores, first, fits, refused, total,
            np.where(fits, total, -1), varying,
        )  # fmt: skip

    def _first_refusals(
        self, pod: PodInfo, nodes: NodeTable, masks: list[Mask | None]
    ) -> NDArray[np.int8]:
        candidates, _ = self._candidates(pod, nodes)
        first = np.where(candidates, FITS, NO_NODE).astype(np.int8)
        for position, mask in enumerate(masks):
            if mask is not None:
                first[~mask & (first == FITS)] = position
        return first

    def _update(self, pod: PodInfo, nodes: NodeTable, kept: _Kept) -> None:
        rows = nodes.rows_changed_since(kept.usage_version)
        one = int(rows[0]) if len(rows) == 1 else None
        usage = nodes.usage.at(rows) if one is None else nodes.usage.view(one)
        at = rows if one is None else slice(one, one + 1)
        moved = False
        for position, plugin in self._usage_filters:
            mask = kept.masks[position]
            if mask is not None:
                answer = plugin.filter(pod, usage)
                if (answer != mask[at]).any():
                    mask[at], moved = answer, True
        if moved:
            self._refilter(kept, rows)
        total = kept.total[at]
        for position, scorer, weight in self._usage_scores:
            scores = kept.scores[position]
            if scores is not None:
                new = scorer.score(pod, usage)
                total = total + weight * (new - scores[at])
                scores[at] = new
        kept.total[at] = total
        kept.ranked[at] = np.where(kept.fits[at], total, -1)
        kept.usage_version = nodes.usage_version

    def _refilter(self, kept: _Kept, rows: Rows) -> None:
        """Masks have changed in these rows: find out anew who refuses them first."""
        for row in rows.tolist():
            before = int(kept.first[row])
            if before == NO_NODE:
                continue
            refusing = (i for i, mask in enumerate(kept.masks) if mask is not None and not mask[row])
            now = next(refusing, FITS)
            if now == before:
                continue
            kept.first[row], kept.fits[row] = now, now == FITS
            if before != FITS:
                kept.refused[before] -= 1
            if now != FITS:
                kept.refused[now] += 1

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
        """The feasible nodes (not to be changed), and how many each plugin was the first to refuse."""
        filters, feasible = self._profile.filters, kept.fits
        looking = [(i, plugin) for i, plugin in self._pod_filters if plugin.applies(pod, nodes)]
        refused = kept.refused
        if looking and looking[0][0] < self._last_kept:  # it comes before filters whose answers are kept
            feasible, refused = self._in_order(pod, nodes, kept, dict(looking))
        rejected = {filters[i].name: count for i, count in enumerate(refused) if count}
        narrowed = next((p.name for p in self._profile.prefilters if p.candidates(pod.demand) is not None), "")
        if narrowed:
            looked_at = np.count_nonzero(kept.first != NO_NODE)
            rejected[narrowed] = rejected.get(narrowed, 0) + len(nodes) - int(looked_at)
        if looking and feasible is kept.fits:
            left = int(np.count_nonzero(feasible))
            for _, plugin in looking:
                if not left:
                    break
                feasible = feasible & plugin.filter(pod, nodes)
                remaining = int(np.count_nonzero(feasible))
                if remaining != left:
                    rejected[plugin.name] = left - remaining
                    left = remaining
        return feasible, rejected

    def _in_order(
        self, pod: PodInfo, nodes: NodeTable, kept: _Kept, looking: Mapping[int, PodFilter]
    ) -> tuple[Mask, list[int]]:
        """One filter after the other: who refuses a node first."""
        feasible, refused = kept.first != NO_NODE, []
        for position, mask in enumerate(kept.masks):
            if position in looking and feasible.any():
                mask = looking[position].filter(pod, nodes)
            before = feasible
            feasible = feasible if mask is None else feasible & mask
            refused.append(int(np.count_nonzero(before) - np.count_nonzero(feasible)))
        return feasible, refused

    # --- score

    def _rank(
        self, pod: PodInfo, nodes: NodeTable, kept: _Kept, feasible: Mask, count: int
    ) -> tuple[NodeScoreCard, ...]:
        """The best nodes, the chosen one first; among equals the choice is random."""
        if count == 1:
            return (NodeScoreCard(nodes.names[int(feasible.argmax())], 0, {}),)
        ranked, varied = self._ranked(pod, nodes, kept, feasible)
        ties = (ranked == ranked.max()).nonzero()[0]
        chosen = int(ties[self._rng.randrange(len(ties))])
        shown = [chosen, *(int(tie) for tie in ties[:BEST_SHOWN] if tie != chosen)]
        if len(ties) == 1:
            others = ranked.copy()
            others[chosen] = -1
            shown.append(int(others.argmax()))
        return tuple(self._card(nodes, kept, row, ranked, varied) for row in shown[:BEST_SHOWN])

    def _ranked(
        self, pod: PodInfo, nodes: NodeTable, kept: _Kept, feasible: Mask
    ) -> tuple[Scores, dict[int, Scores]]:
        """The weighted total of every row, -1 where the pod does not fit; and the scores that depend on who else is feasible."""
        varied: dict[int, Scores] = {}
        rows = None
        for position in kept.varying:
            scorer, _ = self._profile.scores[position]
            if scorer.score_reads == "pods" and not scorer.scores(pod, nodes):
                continue
            if rows is None:
                rows = np.flatnonzero(feasible)
            if scorer.score_reads == "pods":
                found = scorer.score(pod, nodes, rows)
            else:
                whole = kept.scores[position]
                assert whole is not None and scorer.score_reads == "nodes"
                found = scorer.normalize(whole[rows])
            varied[position] = found
        if rows is None:
            return (kept.ranked if feasible is kept.fits else np.where(feasible, kept.total, -1)), varied
        total = kept.total[rows]
        for position, found in varied.items():
            total += self._profile.scores[position][1] * found
            varied[position] = np.zeros(len(feasible), found.dtype)
            varied[position][rows] = found
        ranked = np.full(len(feasible), -1, np.int64)
        ranked[rows] = total
        return ranked, varied

    def _card(
        self, nodes: NodeTable, kept: _Kept, row: int, ranked: Scores, varied: Mapping[int, Scores]
    ) -> NodeScoreCard:
        scores = {}
        for position, (scorer, _) in enumerate(self._profile.scores):
            column = kept.scores[position] if scorer.score_reads == "usage" else varied.get(position)
            if column is not None:
                scores[scorer.name] = int(column[row])
        return NodeScoreCard(nodes.names[row], int(ranked[row]), scores)

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
