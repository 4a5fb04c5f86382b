"""What keeps a pod off a node because of where other pods are: affinity, anti-affinity of both sides, topology spread.

Upstream: pkg/scheduler/framework/plugins/interpodaffinity and podtopologyspread.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import node_affinity, nodes, pods, tolerations
from pinnace.apimachinery.selectors import NOTHING, Selector, SelectorError, from_label_selector, to_text
from pinnace.insight.findings import Object, shown
from pinnace.insight.whatif.obstacles import HARD, Obstacle
from pinnace.insight.world import World

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_COST = 2.0  # moving another pod, or changing a rule
Domain = tuple[str, str]  # a label that nodes have, with its value


class _Term(NamedTuple):
    key: str
    selector: Selector
    text: str
    namespaces: frozenset[str] | None  # None: all

    def means(self, pod: Object) -> bool:
        is_near = self.namespaces is None or meta.namespace(pod) in self.namespaces
        return is_near and self.selector.matches(meta.labels(pod))


class Neighbours:
    """Computed once for a pod, asked about each node."""

    def __init__(self, pod: Object, world: World) -> None:
        self._pod = pod
        self._nodes = {meta.name(node): node for node in world.every("Node")}
        self._placed = [
            (one, self._nodes[pods.node_name(one)])
            for one in world.every("Pod")
            if pods.node_name(one) in self._nodes and not pods.is_terminal(one)
        ]
        self._affinity = list(_terms(pod, "podAffinity", world))
        self._anti = list(_terms(pod, "podAntiAffinity", world))
        self._wanted = self._domains_of_affinity()
        self._avoided = [self._domains(term) for term in self._anti]
        self._avoiding = self._of_others(world)
        self._spread = [_Spread(pod, one, self._placed, self._nodes) for one in _constraints(pod)]

    def obstacles(self, node: Object) -> Iterator[Obstacle]:
        labels = meta.labels(node)
        yield from self._no_company(labels)
        for term, domains in zip(self._anti, self._avoided, strict=True):
            if others := domains.get((term.key, labels.get(term.key, ""))):
                yield _in_the_way(
                    "anti-affinity",
                    f"its podAntiAffinity ({term.text}) keeps it away from",
                    others,
                    term.key,
                    labels,
                )
        for domain, others in self._avoiding.items():
            if labels.get(domain[0]) == domain[1]:
                yield _in_the_way(
                    "others-anti-affinity",
                    "the podAntiAffinity of others keeps it away:",
                    others,
                    domain[0],
                    labels,
                )
        for spread in self._spread:
            yield from spread.obstacles(node)

    def _no_company(self, labels: dict[str, str]) -> Iterator[Obstacle]:
        for term in self._affinity:
            if term.key not in labels:
                yield Obstacle(
                    "affinity",
                    f"its podAffinity goes by {term.key}, a label that the node has not",
                    f"the node has a label {term.key}",
                )
            elif self._wanted is not None and labels[term.key] not in self._wanted.get(term.key, {}):
                where = self._wanted.get(term.key) or {}
                have = (
                    "; such pods are in " + shown([f"{value} ({meta.name(one)})" for value, one in sorted(where.items())[:3]])
                    if where else "; no such pod runs anywhere"
                )  # fmt: skip
                place = (
                    "on the node"
                    if term.key == "kubernetes.io/hostname"
                    else f"in {term.key}={labels[term.key]}"
                )
                yield Obstacle(
                    "affinity", f"its podAffinity wants a pod with {term.text} {place}{have}",
                    f"a pod with {term.text} runs {place}", _COST,
                )  # fmt: skip

    def _domains_of_affinity(self) -> dict[str, dict[str, Object]] | None:
        """Label -> value -> an example, of the pods that all terms mean; None when the pod may be the first of its group."""
        if not self._affinity:
            return None
        found: dict[str, dict[str, Object]] = {}
        for pod, node in self._placed:
            if all(term.means(pod) for term in self._affinity):
                for term in self._affinity:
                    if term.key in meta.labels(node):
                        found.setdefault(term.key, {}).setdefault(meta.labels(node)[term.key], pod)
        return None if not found and all(term.means(self._pod) for term in self._affinity) else found

    def _domains(self, term: _Term) -> dict[Domain, list[Object]]:
        found: dict[Domain, list[Object]] = {}
        for pod, node in self._placed:
            if term.key in meta.labels(node) and term.means(pod):
                found.setdefault((term.key, meta.labels(node)[term.key]), []).append(pod)
        return found

    def _of_others(self, world: World) -> dict[Domain, list[Object]]:
        found: dict[Domain, list[Object]] = {}
        for pod, node in self._placed:
            if not (pod["spec"].get("affinity") or {}).get("podAntiAffinity"):
                continue
            for term in _terms(pod, "podAntiAffinity", world):
                if term.key in meta.labels(node) and term.means(self._pod):
                    found.setdefault((term.key, meta.labels(node)[term.key]), []).append(pod)
        return found


def _in_the_way(kind: str, text: str, others: list[Object], key: str, labels: dict[str, str]) -> Obstacle:
    names = sorted({meta.key_text(one) for one in others})
    which = shown(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    place = "the node" if key == "kubernetes.io/hostname" else f"{key}={labels.get(key)}"
    one = others[0]
    return Obstacle(
        kind, f"{text} pod {which} in {place}" if place != "the node" else f"{text} pod {which} on the node",
        f"pod {which} leave{'s' if len(names) == 1 else ''} {place}", _COST + len(names) - 1,
        (f"kubectl get pod {meta.name(one)} -n {meta.namespace(one)} -o wide",),
    )  # fmt: skip


class _Spread:
    """One constraint: how many pods that it counts are in which domain."""

    def __init__(
        self, pod: Object, constraint: Object, placed: list[tuple[Object, Object]], every: dict[str, Object]
    ) -> None:
        self._key, self._most = constraint["topologyKey"], constraint.get("maxSkew", 1)
        self._selector, self._text = _counted(pod, constraint)
        self._least_domains = constraint.get("minDomains") or 1
        self._counts: Counter[str] = Counter()
        domains = {
            name: meta.labels(node)[self._key]
            for name, node in every.items()
            if self._key in meta.labels(node) and _takes_part(pod, node, constraint)
        }
        self._counts.update(dict.fromkeys(domains.values(), 0))
        for one, node in placed:
            is_meant = meta.namespace(one) == meta.namespace(pod) and not meta.is_terminating(one)
            if is_meant and meta.name(node) in domains and self._selector.matches(meta.labels(one)):
                self._counts[domains[meta.name(node)]] += 1
        self._itself = int(self._selector.matches(meta.labels(pod)))

    def obstacles(self, node: Object) -> Iterator[Obstacle]:
        labels = meta.labels(node)
        if self._key not in labels:
            yield Obstacle(
                "spread",
                f"its topology spread goes by {self._key}, a label that {meta.name(node)} has not",
                f"the node has a label {self._key}",
            )
            return
        fewest = min(self._counts.values(), default=0) if len(self._counts) >= self._least_domains else 0
        here = self._counts.get(labels[self._key], 0)
        skew = here + self._itself - fewest
        if skew <= self._most:
            return
        emptiest = min(self._counts, key=lambda one: (self._counts[one], one), default="")
        is_enough = len(self._counts) >= self._least_domains
        least = (
            f"{emptiest} has {fewest}" if is_enough and emptiest
            else f"there are {len(self._counts)} domains, minDomains is {self._least_domains}"
        )  # fmt: skip
        yield Obstacle(
            "spread",
            f"topology spread over {self._key}: {labels[self._key]} has {here} pods with {self._text}, {least}; one more makes a skew of {skew}, maxSkew is {self._most}",
            f"maxSkew over {self._key} is at least {skew}", _COST + (skew - self._most) / 10,
        )  # fmt: skip


def _takes_part(pod: Object, node: Object, constraint: Object) -> bool:
    if (constraint.get("nodeAffinityPolicy") or "Honor") == "Honor" and not node_affinity.matches(pod, node):
        return False
    if not all(one["topologyKey"] in meta.labels(node) for one in _constraints(pod)):
        return False
    held = pod["spec"].get("tolerations")
    return (constraint.get("nodeTaintsPolicy") or "Ignore") == "Ignore" or (
        tolerations.first_untolerated(nodes.taints(node), held, HARD) is None
    )


def _counted(pod: Object, constraint: Object) -> tuple[Selector, str]:
    selector = (
        dict(constraint.get("labelSelector") or {}) if constraint.get("labelSelector") is not None else None
    )
    keys = [key for key in constraint.get("matchLabelKeys") or () if key in meta.labels(pod)]
    if selector is not None and keys:
        expressions = [{"key": key, "operator": "In", "values": [meta.labels(pod)[key]]} for key in keys]
        selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *expressions]
    return _parsed(selector), selector_text(constraint.get("labelSelector"))


def _constraints(pod: Object) -> list[Object]:
    found = pod["spec"].get("topologySpreadConstraints") or ()
    return [one for one in found if one.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"]


def _terms(pod: Object, which: str, world: World) -> Iterator[_Term]:
    for one in ((pod["spec"].get("affinity") or {}).get(which) or {}).get(_REQUIRED) or ():
        yield _Term(
            one["topologyKey"], _parsed(one.get("labelSelector")), selector_text(one.get("labelSelector")), _spaces(pod, one, world)
        )  # fmt: skip


def _spaces(pod: Object, term: Object, world: World) -> frozenset[str] | None:
    names, selector = term.get("namespaces") or [], term.get("namespaceSelector")
    if selector is None:
        return frozenset(names or [meta.namespace(pod)])
    chosen = _parsed(selector)
    if chosen.is_everything:
        return None
    return frozenset(names) | {
        meta.name(one) for one in world.every("Namespace") if chosen.matches(meta.labels(one))
    }


def _parsed(selector: Object | None) -> Selector:
    try:
        return from_label_selector(selector)
    except SelectorError:
        return NOTHING


def selector_text(selector: Object | None) -> str:
    return to_text(selector) or ("any labels" if selector is not None else "no labels")
