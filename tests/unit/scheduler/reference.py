"""Upstream's rules for one pod and one node at a time, slow and plain: what the vectorised plugins must agree with.

Works on API objects alone, so that nothing is shared with the code that is tested. Amounts are plain numbers.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ORDER = ("NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit", "PodTopologySpread",
         "InterPodAffinity")  # fmt: skip
WEIGHTS = {"TaintToleration": 3, "NodeAffinity": 2, "NodeResourcesFit": 1, "PodTopologySpread": 2, "InterPodAffinity": 2,
           "NodeResourcesBalancedAllocation": 1}  # fmt: skip


@dataclass
class State:
    nodes: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, tuple[Object, str]] = field(default_factory=dict)  # uid -> pod, node
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    nominated: dict[str, tuple[Object, str]] = field(
        default_factory=dict
    )  # the same for pods that wait for room there

    def with_nominated(self, pod: Object) -> "State":
        """As if the nominated pods that count for this one were there: those of its priority or a higher one."""
        least = pod["spec"].get("priority") or 0
        counted = {
            uid: entry
            for uid, entry in self.nominated.items()
            if (entry[0]["spec"].get("priority") or 0) >= least
        }
        return State(self.nodes, {**self.pods, **counted}, self.namespaces)

    def on(self, node: Object) -> list[Object]:
        return [pod for pod, where in self.pods.values() if where == node["metadata"]["name"]]

    def placed(self) -> Iterable[tuple[Object, Object]]:
        """Pods with their nodes, where these exist."""
        return [(pod, self.nodes[where]) for pod, where in self.pods.values() if where in self.nodes]


def labels(thing: Object) -> Mapping[str, str]:
    return thing["metadata"].get("labels") or {}


def expression_holds(expression: Mapping[str, Any], have: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return key in have and have[key] in values
        case "NotIn":
            return key not in have or have[key] not in values
        case "Exists":
            return key in have
        case "DoesNotExist":
            return key not in have
    raise AssertionError(expression)


def selects(selector: Mapping[str, Any] | None, have: Mapping[str, str]) -> bool:
    if selector is None:
        return False
    pairs = selector.get("matchLabels") or {}
    return all(have.get(key) == value for key, value in pairs.items()) and all(
        expression_holds(expression, have) for expression in selector.get("matchExpressions") or ()
    )


# --- filters


def tolerates(pod: Object, taint: Mapping[str, str]) -> bool:
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        if toleration.get("operator") == "Exists":
            return True
        if toleration.get("key") and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


def is_open(pod: Object, node: Object, state: State) -> bool:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    return not node["spec"].get("unschedulable") or tolerates(pod, cordon)


def tolerates_node(pod: Object, node: Object, state: State | None = None) -> bool:
    hard = [taint for taint in node["spec"].get("taints") or () if taint["effect"] != "PreferNoSchedule"]
    return all(tolerates(pod, taint) for taint in hard)


def is_wanted(pod: Object, node: Object, state: State | None = None) -> bool:
    have = labels(node)
    if any(have.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    required = affinity(pod, "nodeAffinity").get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(
        all(expression_holds(expression, have) for expression in term["matchExpressions"])
        for term in required["nodeSelectorTerms"]
        if term.get("matchExpressions")
    )


def affinity(pod: Object, kind: str) -> Mapping[str, Any]:
    return (pod["spec"].get("affinity") or {}).get(kind) or {}


def host_ports(pod: Object) -> set[int]:
    return {port["hostPort"] for c in pod["spec"]["containers"] for port in c.get("ports") or ()}


def has_free_ports(pod: Object, node: Object, state: State) -> bool:
    return not any(host_ports(pod) & host_ports(other) for other in state.on(node))


def request(pod: Object, resource: str, default: int = 0) -> int:
    return sum(
        amount(((c.get("resources") or {}).get("requests") or {}).get(resource), resource, default)
        for c in pod["spec"]["containers"]
    )


def amount(text: str | None, resource: str, default: int = 0) -> int:
    if text is None:
        return default
    for suffix, factor in (("Mi", 2**20), ("Gi", 2**30)):
        if text.endswith(suffix):
            return int(text[:-2]) * factor
    if resource == "cpu":
        return int(text[:-1]) if text.endswith("m") else int(text) * 1000
    return int(text)


def allocatable(node: Object, resource: str) -> int:
    return amount(node["status"]["allocatable"].get(resource), resource)


def has_room(pod: Object, node: Object, state: State) -> bool:
    there = state.on(node)
    if len(there) + 1 > allocatable(node, "pods"):
        return False
    names = {
        name for c in pod["spec"]["containers"] for name in ((c.get("resources") or {}).get("requests") or {})
    }
    return all(
        request(pod, name) == 0
        or sum(request(other, name) for other in there) + request(pod, name) <= allocatable(node, name)
        for name in names
    )  # fmt: skip


def spread_counts(
    pod: Object, constraint: Mapping[str, Any], keys: Iterable[str], state: State
) -> dict[str, int]:
    """Matching pods per domain, over the nodes that count."""
    counts: dict[str, int] = {}
    for node in state.nodes.values():
        if any(key not in labels(node) for key in keys):
            continue
        if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not is_wanted(pod, node):
            continue
        if constraint.get("nodeTaintsPolicy", "Ignore") == "Honor" and not tolerates_node(pod, node):
            continue
        domain = labels(node)[constraint["topologyKey"]]
        counts[domain] = counts.get(domain, 0) + sum(counted(pod, constraint, o) for o in state.on(node))
    return counts


def counted(pod: Object, constraint: Mapping[str, Any], other: Object) -> bool:
    same = other["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return (
        same
        and "deletionTimestamp" not in other["metadata"]
        and selects(constraint["labelSelector"], labels(other))
    )


def constraints_of(pod: Object, kind: str) -> list[Mapping[str, Any]]:
    return [c for c in pod["spec"].get("topologySpreadConstraints") or () if c["whenUnsatisfiable"] == kind]


def is_even(pod: Object, node: Object, state: State) -> bool:
    hard = constraints_of(pod, "DoNotSchedule")
    keys = [c["topologyKey"] for c in hard]
    for constraint in hard:
        if constraint["topologyKey"] not in labels(node):
            return False
        counts = spread_counts(pod, constraint, keys, state)
        fewest = min(counts.values(), default=0) if len(counts) >= constraint.get("minDomains", 1) else 0
        there = counts.get(labels(node)[constraint["topologyKey"]], 0)
        arriving = selects(constraint["labelSelector"], labels(pod))
        if there + arriving - fewest > constraint["maxSkew"]:
            return False
    return True


def terms(
    pod: Object, kind: str, strength: str = "requiredDuringSchedulingIgnoredDuringExecution"
) -> list[Any]:
    return affinity(pod, kind).get(strength) or []


def means(term: Mapping[str, Any], owner: Object, other: Object, state: State) -> bool:
    """Whether a term of `owner` selects the pod `other`."""
    namespace = other["metadata"]["namespace"]
    named, by_label = term.get("namespaces") or [], term.get("namespaceSelector")
    inside = namespace in named or (
        by_label is not None and selects(by_label, state.namespaces.get(namespace, {}))
    )
    if not named and by_label is None:
        inside = namespace == owner["metadata"]["namespace"]
    return inside and selects(term["labelSelector"], labels(other))


def same_domain(term: Mapping[str, Any], one: Object, other: Object) -> bool:
    key = term["topologyKey"]
    return key in labels(one) and labels(one)[key] == labels(other).get(key)


def is_among_friends(pod: Object, node: Object, state: State) -> bool:
    for other, where in state.placed():
        for term in terms(other, "podAntiAffinity"):
            if means(term, other, pod, state) and same_domain(term, where, node):
                return False
    for term in terms(pod, "podAntiAffinity"):
        if any(means(term, pod, o, state) and same_domain(term, w, node) for o, w in state.placed()):
            return False
    wanted = terms(pod, "podAffinity")
    if not wanted:
        return True
    if any(term["topologyKey"] not in labels(node) for term in wanted):
        return False
    matching = [(o, w) for o, w in state.placed() if all(means(t, pod, o, state) for t in wanted)]
    if all(any(same_domain(term, where, node) for _, where in matching) for term in wanted):
        return True
    nowhere = not any(term["topologyKey"] in labels(where) for _, where in matching for term in wanted)
    return nowhere and all(means(term, pod, pod, state) for term in wanted)


CHECKS: dict[str, Callable[[Object, Object, State], bool]] = dict(
    zip(
        ORDER,
        (is_open, tolerates_node, is_wanted, has_free_ports, has_room, is_even, is_among_friends),
        strict=True,
    )
)


def first_refusal(pod: Object, node: Object, state: State) -> str:
    """The first plugin that refuses, "" when the pod fits."""
    return next((name for name in ORDER if not CHECKS[name](pod, node, state)), "")


# --- scores


def scores(pod: Object, feasible: list[Object], state: State) -> dict[str, dict[str, int]]:
    """Plugin -> node -> score of 0..100; plugins that upstream skips are left out."""
    found = {
        "NodeResourcesFit": {name(n): least_allocated(pod, n, state) for n in feasible},
        "TaintToleration": soft_taints(pod, feasible),
        "NodeAffinity": preferred_nodes(pod, feasible),
        "PodTopologySpread": evenness(pod, feasible, state),
        "InterPodAffinity": nearness(pod, feasible, state),
    }
    if request(pod, "cpu") or request(pod, "memory"):
        found["NodeResourcesBalancedAllocation"] = {name(n): balance(pod, n, state) for n in feasible}
    return {plugin: per_node for plugin, per_node in found.items() if per_node}


def name(node: Object) -> str:
    return str(node["metadata"]["name"])


def least_allocated(pod: Object, node: Object, state: State) -> int:
    shares, kinds = 0, 0
    for resource, default in (("cpu", 100), ("memory", 200 * 2**20)):
        capacity = allocatable(node, resource)
        if capacity:
            kinds += 1
            used = sum(request(other, resource, default) for other in (pod, *state.on(node)))
            shares += max(0, (capacity - used) * 100 // capacity)
    return shares // max(1, kinds)


def balance(pod: Object, node: Object, state: State) -> int:
    shares = []
    for resource in ("cpu", "memory"):
        capacity = allocatable(node, resource)
        if not capacity:
            return 100
        used = sum(request(other, resource) for other in (pod, *state.on(node)))
        shares.append(min(1.0, used / capacity))
    return int((1 - abs(shares[0] - shares[1]) / 2) * 100)


def soft_taints(pod: Object, feasible: list[Object]) -> dict[str, int]:
    counts = {
        name(n): sum(t["effect"] == "PreferNoSchedule" and not tolerates(pod, t) for t in n["spec"].get("taints") or ())
        for n in feasible
    }  # fmt: skip
    highest = max(counts.values())
    return {n: 100 - count * 100 // highest if highest else 100 for n, count in counts.items()}


def preferred_nodes(pod: Object, feasible: list[Object]) -> dict[str, int]:
    preferred = affinity(pod, "nodeAffinity").get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    if not preferred:
        return {}
    sums = {
        name(n): sum(
            p["weight"]
            for p in preferred
            if all(expression_holds(e, labels(n)) for e in p["preference"]["matchExpressions"])
        )
        for n in feasible
    }
    highest = max(sums.values())
    return {n: points * 100 // highest if highest else 0 for n, points in sums.items()}


def evenness(pod: Object, feasible: list[Object], state: State) -> dict[str, int]:
    soft = constraints_of(pod, "ScheduleAnyway")
    if not soft:
        return {}
    keys = [c["topologyKey"] for c in soft]
    compared = [n for n in feasible if all(key in labels(n) for key in keys)]
    raw = dict.fromkeys(map(name, compared), 0.0)
    for constraint in soft:
        key = constraint["topologyKey"]
        domains = len(compared) if key == HOSTNAME else len({labels(n)[key] for n in compared})
        counts = spread_counts(pod, constraint, keys, state)
        for node in compared:
            matching = (
                sum(counted(pod, constraint, other) for other in state.on(node))
                if key == HOSTNAME
                else counts.get(labels(node)[key], 0)
            )
            raw[name(node)] += matching * math.log(domains + 2) + (constraint["maxSkew"] - 1)
    rounded = {n: math.floor(points + 0.5) for n, points in raw.items()}
    least, most = min(rounded.values(), default=0), max(rounded.values(), default=0)
    inverted = {n: 100 * (most + least - p) // most if most else 100 for n, p in rounded.items()}
    return {name(n): inverted.get(name(n), 0) for n in feasible}


def nearness(pod: Object, feasible: list[Object], state: State) -> dict[str, int]:
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    points = dict.fromkeys(map(name, feasible), 0)

    def add(term: Mapping[str, Any], weight: int, where: Object) -> None:
        for node in feasible:
            if same_domain(term, where, node):
                points[name(node)] += weight

    for other, where in state.placed():
        for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
            for entry in terms(pod, kind, preferred):
                if means(entry["podAffinityTerm"], pod, other, state):
                    add(entry["podAffinityTerm"], sign * entry["weight"], where)
            for entry in terms(other, kind, preferred):
                if means(entry["podAffinityTerm"], other, pod, state):
                    add(entry["podAffinityTerm"], sign * entry["weight"], where)
        for term in terms(other, "podAffinity"):
            if means(term, other, pod, state):
                add(term, 1, where)
    least, most = min(points.values()), max(points.values())
    if least == most:
        return dict.fromkeys(points, 0)
    return {n: int(100 * ((p - least) / (most - least))) for n, p in points.items()}
