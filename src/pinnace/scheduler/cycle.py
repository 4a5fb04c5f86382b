"""The scheduling cycle: one pod and the node table in, one decision out. Pure, apart from what it keeps to share work (`kept`)."""

import random
from collections.abc import Mapping

import numpy as np

from pinnace.scheduler.columns import ABSENT
from pinnace.scheduler.decisions import NO_NODES, Decision, NodeScoreCard, Outside, Preemption, fit_error
from pinnace.scheduler.framework import Mask, NodeTable, PodFilter, PodInfo, Refusal, Scores
from pinnace.scheduler.kept import NO_NODE, Keeper, Kept
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.preemption import DefaultPreemption, after_filters
from pinnace.scheduler.profiles import Filter, Profile
from pinnace.scheduler.refusals import Refusals, ask_again, never_looked_at
from pinnace.scheduler.victims import Search

BEST_SHOWN = 3
FEWEST_SCORED = 100
EXTENDER = "Extender"  # who refused or scored, where plugins are named


class Cycle:
    """`nominator` and `preemption` go together; without them a pod that fits nowhere is only refused."""

    def __init__(
        self, profile: Profile, rng: random.Random, nominator: Nominator | None = None,
        preemption: DefaultPreemption | None = None,
    ) -> None:  # fmt: skip
        self._profile, self._rng = profile, rng
        self._nominator, self._preemption = nominator, preemption
        self._keeper = Keeper(profile)
        self._next_row = 0  # where the next search for enough nodes begins
        self._pod_filters: list[tuple[int, PodFilter]] = [
            (i, plugin) for i, plugin in enumerate(profile.filters) if plugin.reads == "pods"
        ]
        self._last_kept = max((i for i, f in enumerate(profile.filters) if f.reads != "pods"), default=-1)

    def fitting(self, pod: PodInfo, nodes: NodeTable) -> list[str]:
        """The feasible nodes, for extenders to choose from."""
        if not len(nodes):
            return []
        feasible, _ = self._feasible(pod, nodes, self._keeper.of(pod, nodes))
        if self._profile.percentage:
            feasible = self._enough(feasible, len(nodes))
        return [nodes.names[row] for row in np.flatnonzero(feasible).tolist()]

    def decide(self, pod: PodInfo, nodes: NodeTable, outside: Outside | None = None) -> Decision:
        """The node for the pod, or why there is none. `outside`: what extenders said about the nodes that fit."""
        if not len(nodes):
            return Decision(pod.namespace, pod.name, "", 0, 0, {}, message=NO_NODES)
        kept = self._keeper.of(pod, nodes)
        feasible, rejected = self._feasible(pod, nodes, kept)
        if outside is not None:
            feasible = self._heed(outside, nodes, feasible, rejected)
        elif self._profile.percentage:
            feasible = self._enough(feasible, len(nodes))
        count = int(np.count_nonzero(feasible))
        if not count:
            return self._unfit(pod, nodes, kept, rejected, outside)
        cards = self._rank(pod, nodes, kept, feasible, count, outside)
        return Decision(pod.namespace, pod.name, cards[0].node, len(nodes), count, rejected, cards)

    def _feasible(self, pod: PodInfo, nodes: NodeTable, kept: Kept) -> tuple[Mask, dict[str, int]]:
        feasible, rejected = self._filter(pod, nodes, kept)
        if self._nominator:
            feasible = self._respect_nominated(pod, nodes, feasible, rejected)
        return feasible, rejected

    def _heed(self, outside: Outside, nodes: NodeTable, feasible: Mask, rejected: dict[str, int]) -> Mask:
        allowed = np.zeros_like(feasible)
        allowed[[nodes.row_of[name] for name in outside.allowed if name in nodes.row_of]] = True
        refused = int(np.count_nonzero(feasible & ~allowed))
        if refused:
            rejected[EXTENDER] = refused
        return feasible & allowed

    # --- filter

    def _filter(self, pod: PodInfo, nodes: NodeTable, kept: Kept) -> tuple[Mask, dict[str, int]]:
        """The feasible nodes (not to be changed), and how many each plugin was the first to refuse."""
        feasible, refused, looking = kept.fits, kept.refused, []
        for position, plugin in self._pod_filters:
            if plugin.applies(pod, nodes):
                looking.append((position, plugin))
        in_order = bool(looking) and looking[0][0] < self._last_kept
        if in_order:  # it comes before filters whose answers are kept
            feasible, refused = self._in_order(pod, nodes, kept, dict(looking))
        rejected = {}
        if kept.narrowed:
            rejected[kept.narrowed[0]] = kept.never
        if any(refused):
            for plugin_, count in zip(self._profile.filters, refused, strict=True):
                if count:
                    rejected[plugin_.name] = rejected.get(plugin_.name, 0) + count
        if looking and not in_order:
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
        self, pod: PodInfo, nodes: NodeTable, kept: Kept, looking: Mapping[int, PodFilter]
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
        self, pod: PodInfo, nodes: NodeTable, kept: Kept, feasible: Mask, count: int, outside: Outside | None
    ) -> tuple[NodeScoreCard, ...]:
        """The best nodes, the chosen one first; among equals the choice is random."""
        if count == 1:
            return (NodeScoreCard(nodes.names[int(feasible.argmax())], 0, {}),)
        ranked, columns = self._ranked(pod, nodes, kept, feasible)
        if outside is not None and outside.points:
            points = np.zeros_like(ranked)
            for name, more in outside.points.items():
                points[nodes.row_of.get(name, 0)] += more if name in nodes.row_of else 0
            ranked = np.where(feasible, ranked + points, -1)
            columns = [*columns, (EXTENDER, points)]
        ties = (ranked == ranked.max()).nonzero()[0]
        chosen = int(ties[self._rng.randrange(len(ties))])
        shown = [chosen, *(tie for tie in ties[:BEST_SHOWN].tolist() if tie != chosen)]
        if len(ties) == 1:
            others = ranked.copy()
            others[chosen] = -1
            shown.append(int(others.argmax()))
        return tuple(
            NodeScoreCard(
                nodes.names[row], ranked.item(row), {name: scores.item(row) for name, scores in columns}
            )
            for row in shown[:BEST_SHOWN]
        )

    def _ranked(
        self, pod: PodInfo, nodes: NodeTable, kept: Kept, feasible: Mask
    ) -> tuple[Scores, list[tuple[str, Scores]]]:
        """The weighted total of every row, -1 where the pod does not fit; and what each plugin says, by name."""
        total, columns = kept.total, []
        for position, (scorer, weight) in enumerate(self._profile.scores):
            found = kept.scores[position]
            if scorer.score_reads == "pods":
                if not scorer.scores(pod, nodes):
                    continue
                found = scorer.score(pod, nodes, feasible)
                total = total + weight * found
            elif found is None:
                continue
            elif scorer.score_reads == "nodes":
                highest = int(found.max(where=feasible, initial=0))
                known = kept.normal.get(position)
                if known is None or known[0] != highest:
                    known = kept.normal[position] = highest, scorer.normalize(found, highest)
                found = known[1]
                total = total + weight * found
            columns.append((scorer.name, found))
        if total is kept.total and feasible is kept.fits:
            return kept.ranked, columns
        return np.where(feasible, total, -1), columns

    def _enough(self, feasible: Mask, nodes: int) -> Mask:
        """As many feasible nodes as the profile's percentage of nodes (a hundred at least), each time from where the last ended."""
        wanted = max(nodes * self._profile.percentage // 100, FEWEST_SCORED)
        rows = np.flatnonzero(feasible)
        if len(rows) <= wanted:
            return feasible
        begin = int(np.searchsorted(rows, self._next_row))
        chosen = np.take(rows, range(begin, begin + wanted), mode="wrap")
        self._next_row = int(chosen[-1]) + 1
        mask = np.zeros_like(feasible)
        mask[chosen] = True
        return mask

    # --- nominated pods

    def _respect_nominated(
        self, pod: PodInfo, nodes: NodeTable, feasible: Mask, rejected: dict[str, int]
    ) -> Mask:
        """The pod must also fit with the nominated pods that count for it; its own nominated node comes first."""
        assert self._nominator is not None
        own = nodes.row_of.get(self._nominator.node_of(pod.uid))
        if (
            own is not None and feasible[own]
        ):  # looked at first: when the pod fits there, the others do not matter
            alone = np.zeros_like(feasible)
            alone[own] = True
            if all(mask[own] for _, mask, _ in self._beside_nominated(pod, nodes, alone, explain=False)):
                return alone
        if not feasible.any():
            return feasible
        for plugin, mask, _ in self._beside_nominated(pod, nodes, feasible, explain=False):
            refused = int(np.count_nonzero(feasible & ~mask))
            if refused:
                rejected[plugin.name] = rejected.get(plugin.name, 0) + refused
                feasible = feasible & mask
        return feasible

    def _beside_nominated(
        self, pod: PodInfo, nodes: NodeTable, among: Mask, *, explain: bool
    ) -> list[tuple[Filter, Mask, Refusals]]:
        """What filters say about these nodes with the nominated pods on them: plugin, mask over all nodes, and refusals if
        asked to explain."""
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
                    if explain:
                        refusals.put(rows[~fits], plugin.refusals(pod, usage.at(np.flatnonzero(~fits))))
                answers.append((plugin, mask, refusals))
        looking = [p for p in self._profile.filters if p.reads == "pods" and p.applies(pod, nodes)]
        if looking:
            with self._nominator.placed(pod, looking) as are_there:
                for look in looking if are_there else ():
                    mask, refusals = look.filter(pod, nodes), Refusals.empty(len(among))
                    if explain and not mask[among].all():
                        refused = np.flatnonzero(among & ~mask)
                        refusals.put(refused, look.refusals(pod, nodes, refused))
                    answers.append((look, mask, refusals))
        return answers

    # --- refusal

    def _unfit(
        self, pod: PodInfo, nodes: NodeTable, kept: Kept, rejected: dict[str, int], outside: Outside | None
    ) -> Decision:
        refusals = self._refusals(pod, nodes, kept)
        if self._nominator:
            refusals = self._refusals_of_nominated(pod, nodes, refusals)
        if outside is not None:
            refusals = _with_outside(outside, nodes, refusals)
        preemption = self._preempt(pod, nodes, kept, refusals)
        counts = refusals.reasons()
        message = fit_error(len(nodes), counts, after_filters(pod, self._profile, preemption))
        return Decision(
            pod.namespace, pod.name, "", len(nodes), 0, rejected, message=message,
            plugins=frozenset(rejected), preemption=preemption, reasons=refusals.examples(nodes.names, counts),
        )  # fmt: skip

    def _preempt(self, pod: PodInfo, nodes: NodeTable, kept: Kept, refusals: Refusals) -> Preemption | None:
        if self._preemption is None:
            return None
        allowed, _ = self._keeper.candidates(pod, nodes)
        search = Search(pod, nodes, [], [])
        for plugin, mask in zip(self._profile.filters, kept.masks, strict=True):
            if plugin.reads == "nodes" and mask is not None:
                allowed &= mask
            elif plugin.reads == "usage" and mask is not None:
                search.usage_filters.append(plugin)
            elif plugin.reads == "pods" and plugin.applies(pod, nodes):
                search.pod_filters.append(plugin)
        return self._preemption.decide(search, refusals, allowed)

    def _refusals(self, pod: PodInfo, nodes: NodeTable, kept: Kept) -> Refusals:
        """Each node's refusal by the first plugin that refused it."""
        looking = {i: plugin for i, plugin in self._pod_filters if plugin.applies(pod, nodes)}
        if looking and next(iter(looking)) < self._last_kept:
            return self._refusals_by(pod, nodes, kept, looking)
        found = self._refusals_by(pod, nodes, kept, {})
        if looking:
            found = found.copy()
            rows = np.flatnonzero(nodes.exists & (found.ids == ABSENT))
            ask_again(found, pod, nodes, [(one, one.filter(pod, nodes)) for one in looking.values()], rows)
        return found

    def _refusals_by(
        self, pod: PodInfo, nodes: NodeTable, kept: Kept, looking: Mapping[int, PodFilter]
    ) -> Refusals:
        """By the filters whose answers are kept, and by these. What the former say lasts, and only changed rows are asked."""
        filters: list[tuple[Filter, Mask]] = []
        for position, (plugin, mask) in enumerate(zip(self._profile.filters, kept.masks, strict=True)):
            if position in looking:
                mask = looking[position].filter(pod, nodes)
            if mask is not None:
                filters.append((plugin, mask))
        if not looking and kept.refusals is not None:
            found, rows = kept.refusals, nodes.rows_changed_since(kept.refused_version)
            rows = rows[nodes.exists[rows]]
        else:
            found, rows = Refusals.empty(len(nodes.exists)), np.flatnonzero(nodes.exists)
        looked_at, narrowed = self._keeper.candidates(pod, nodes)
        if narrowed:
            found.put(rows[~looked_at[rows]], never_looked_at(narrowed))
            rows = rows[looked_at[rows]]
        ask_again(found, pod, nodes, filters, rows)
        if not looking:
            kept.refusals, kept.refused_version = found, nodes.usage_version
        return found

    def _refusals_of_nominated(self, pod: PodInfo, nodes: NodeTable, found: Refusals) -> Refusals:
        """Nodes that only nominated pods keep the pod from."""
        among = nodes.exists & (found.ids == ABSENT)
        if not among.any():
            return found
        found = found.copy()
        for _, mask, refusals in self._beside_nominated(pod, nodes, among, explain=True):
            found.merge(np.flatnonzero(among & ~mask), refusals)
            among &= mask
        return found


def _with_outside(outside: Outside, nodes: NodeTable, refusals: Refusals) -> Refusals:
    """Nodes that fit are refused by an extender, for a reason or without one."""
    found = refusals.copy()
    for row in np.flatnonzero(nodes.exists & (refusals.ids == ABSENT)).tolist():
        message, may_help = outside.refused.get(nodes.names[row], ("", False))
        found.put(np.array([row]), Refusal((message,) if message else (), may_help))
    return found
