"""What the cycle keeps to share work: the answers of plugins for all pods that ask the same of a node by itself.

Masks and scores of plugins that read only nodes are kept until a node changes; those that read a node's usage are computed
again for the rows whose pods changed, one row in plain numbers, more in arrays. Who is the first to refuse a row, and the
ranking by the scores that need not be seen together, follow row by row as well.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinnace.scheduler.framework import (
    Mask,
    NodeTable,
    PodInfo,
    RowFilter,
    Rows,
    RowScore,
    Scores,
    UsageFilter,
    UsageScore,
)
from pinnace.scheduler.profiles import Profile
from pinnace.scheduler.refusals import Refusals

KEPT = 64
FEW_ROWS = 6  # so many are computed faster one by one
FITS, NO_NODE = -1, -2


@dataclass(slots=True)
class Kept:
    """As of `usage_version`. Lists are in the order of the profile, None where the plugin has nothing to say or reads pods."""

    spec_version: int
    usage_version: int
    masks: list[Mask | None]
    scores: list[Scores | None]
    first: NDArray[np.int8]  # which filter is the first to refuse the row; FITS; NO_NODE: not worth a look
    fits: Mask
    refused: list[int]  # how many nodes each filter was the first to refuse
    never: int  # how many nodes prefilters ruled out
    narrowed: list[str]  # the prefilters that did
    total: Scores  # the weighted sum of the scores that need not be seen together to be normalized
    ranked: Scores  # the same, -1 where the pod does not fit
    varying: list[int]  # positions of the scores that are not in `total`
    normal: dict[
        int, tuple[int, Scores]
    ]  # position -> highest score among feasible nodes, scores normalized by it
    refusals: Refusals | None = None  # by these masks alone, as of `refused_version`
    refused_version: int = -1

    def refilter(self, rows: Rows) -> None:
        """Masks have changed in these rows: find out anew who refuses them first."""
        for row in rows.tolist():
            before = int(self.first[row])
            if before == NO_NODE:
                continue
            refusing = (i for i, mask in enumerate(self.masks) if mask is not None and not mask[row])
            now = next(refusing, FITS)
            self.first[row], self.fits[row] = now, now == FITS
            if before != FITS:
                self.refused[before] -= 1
            if now != FITS:
                self.refused[now] += 1


class Keeper:
    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._kept: OrderedDict[object, Kept] = OrderedDict()
        self._filters: list[tuple[int, UsageFilter]] = [
            (i, plugin) for i, plugin in enumerate(profile.filters) if plugin.reads == "usage"
        ]
        self._scores: list[tuple[int, UsageScore, int]] = [
            (i, plugin, weight)
            for i, (plugin, weight) in enumerate(profile.scores)
            if plugin.score_reads == "usage"
        ]
        self._row_filters: list[tuple[int, RowFilter]] = [
            (i, plugin) for i, plugin in self._filters if isinstance(plugin, RowFilter)
        ]
        self._row_scores: list[tuple[int, RowScore, int]] = [
            (i, plugin, weight) for i, plugin, weight in self._scores if isinstance(plugin, RowScore)
        ]
        able = len(self._row_filters) == len(self._filters) and len(self._row_scores) == len(self._scores)
        self._few = FEW_ROWS if able else 0

    def of(self, pod: PodInfo, nodes: NodeTable) -> Kept:
        """The answers for this pod, current."""
        key = pod.demand.alone
        kept = self._kept.get(key)
        if kept is None or kept.spec_version != nodes.spec_version:
            kept = self._kept[key] = self._compute(pod, nodes)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        elif kept.usage_version != nodes.usage_version:
            rows = nodes.rows_changed_since(kept.usage_version)
            if len(rows) <= self._few:
                for row in rows.tolist():
                    self._update_row(pod, nodes, kept, row)
            else:
                self._update(pod, nodes, kept, rows)
            kept.usage_version = nodes.usage_version
        self._kept.move_to_end(key)
        return kept

    def candidates(self, pod: PodInfo, nodes: NodeTable) -> tuple[Mask, list[str]]:
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

    def _compute(self, pod: PodInfo, nodes: NodeTable) -> Kept:
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
        looked_at, narrowed = self.candidates(pod, nodes)
        first = np.where(looked_at, FITS, NO_NODE).astype(np.int8)
        for position, mask in enumerate(masks):
            if mask is not None:
                first[~mask & (first == FITS)] = position
        fits = first == FITS
        return Kept(
            nodes.spec_version, nodes.usage_version, masks, scores, first, fits,
            np.bincount(first[first >= 0], minlength=len(masks)).tolist(),
            len(nodes) - int(np.count_nonzero(looked_at)), narrowed, total, np.where(fits, total, -1), varying, {},
        )  # fmt: skip

    def _update(self, pod: PodInfo, nodes: NodeTable, kept: Kept, rows: Rows) -> None:
        usage, moved = nodes.usage.at(rows), False
        for position, plugin in self._filters:
            mask = kept.masks[position]
            if mask is not None:
                answer = plugin.filter(pod, usage)
                if (answer != mask[rows]).any():
                    mask[rows], moved = answer, True
        if moved:
            kept.refilter(rows)
        total = kept.total[rows]
        for position, scorer, weight in self._scores:
            scores = kept.scores[position]
            if scores is not None:
                new = scorer.score(pod, usage)
                total += weight * (new - scores[rows])
                scores[rows] = new
        kept.total[rows] = total
        kept.ranked[rows] = np.where(kept.fits[rows], total, -1)

    def _update_row(self, pod: PodInfo, nodes: NodeTable, kept: Kept, row: int) -> None:
        """The same for one row, in plain numbers."""
        usage, moved = nodes.usage, False
        for position, plugin in self._row_filters:
            mask = kept.masks[position]
            if mask is not None:
                answer = plugin.fits_row(pod, usage, row)
                if answer != mask[row]:
                    mask[row], moved = answer, True
        if moved:
            kept.refilter(np.array([row], np.intp))
        total = kept.total.item(row)
        for position, scorer, weight in self._row_scores:
            scores = kept.scores[position]
            if scores is not None:
                new = scorer.score_row(pod, usage, row)
                total += weight * (new - scores.item(row))
                scores[row] = new
        kept.total[row] = total
        kept.ranked[row] = total if kept.fits[row] else -1
