"""Reading pods: from the API object to `PodInfo`, with one shared `Demand` for all pods of a template.

Demands are interned by the parts of the spec that they are read from, so that equal templates give the same object.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from pinnace.api import meta
from pinnace.apimachinery import quantity
from pinnace.apimachinery.selectors import (
    Requirement,
    Selector,
    from_label_selector,
    node_selector_requirement,
)
from pinnace.apimachinery.short_cache import short_cache
from pinnace.apimachinery.times import parse_time
from pinnace.scheduler.pod_info import (
    CPU,
    DEFAULT_SCHEDULER,
    LARGEST_AMOUNT,
    MEMORY,
    AffinityTerm,
    Demand,
    HostPort,
    NodeTerm,
    Object,
    PodInfo,
    SpreadConstraint,
    Toleration,
)
from pinnace.scheduler.pod_resizing import in_force, pod_in_force

_LIMITING = frozenset(
    ("persistentVolumeClaim", "ephemeral", "gcePersistentDisk", "awsElasticBlockStore", "rbd", "iscsi")
)

# What a container without a request counts as when nodes are scored, so that such pods spread as well.
# https://github.com/kubernetes/kubernetes/blob/master/pkg/scheduler/util/pod_resources.go
DEFAULT_CPU_MILLIS, DEFAULT_MEMORY_BYTES = 100, 200 * 1024 * 1024


def parse_pod(pod: Object, known: PodInfo | None = None) -> PodInfo:
    """`known`: what was read from an earlier state of the pod, whose demand is nearly always the same."""
    spec, metadata = pod["spec"], pod["metadata"]
    created = metadata.get("creationTimestamp")
    return PodInfo(
        uid=metadata.get("uid") or f"{metadata.get('namespace', '')}/{metadata['name']}",
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        priority=spec.get("priority") or 0,
        created=_timestamp(created) if created else 0.0,
        node_name=spec.get("nodeName") or "",
        is_terminating="deletionTimestamp" in metadata,
        is_gated=bool(spec.get("schedulingGates")),
        scheduler_name=spec.get("schedulerName") or DEFAULT_SCHEDULER,
        demand=demand_of(pod) if known is None or not _asks_the_same(pod, known) else known.demand,
        object=pod,
        volumes=_limiting(spec["volumes"]) if spec.get("volumes") else (),
    )


def _limiting(volumes: list[Object]) -> tuple[Object, ...]:
    return tuple(one for one in volumes if not _LIMITING.isdisjoint(one))


def is_finished(pod: Object) -> bool:
    """Succeeded and Failed pods no longer use their node."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


@lru_cache(maxsize=1024)
def _timestamp(text: str) -> float:
    return parse_time(text).timestamp()


_DEMANDING = ("containers", "initContainers", "resources", "overhead", "nodeSelector", "affinity", "tolerations",
              "topologySpreadConstraints", "hostNetwork")  # fmt: skip


def _asks_the_same(pod: Object, known: PodInfo) -> bool:
    spec, before = pod["spec"], known.object["spec"]
    if _reports_containers(pod) or _reports_containers(
        known.object
    ):  # which may say that others are in force
        return False
    if known.demand.reads_labels and (pod["metadata"].get("labels") or {}) != known.labels:
        return False
    return all(spec.get(part) == before.get(part) for part in _DEMANDING)


def _reports_containers(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("containerStatuses") or status.get("initContainerStatuses"))


def demand_of(pod: Object) -> Demand:
    """The shared demand of this pod's template."""
    spec = pod["spec"]
    resized = in_force(pod) if spec.get("nodeName") else None
    own = pod_in_force(pod) if spec.get("resources") and spec.get("nodeName") else None
    facts = [
        meta.namespace(pod), None,
        [[c.get("image"), (resized or {}).get(c["name"]) or c.get("resources"), c.get("ports")]
         for c in spec.get("containers") or ()],
        [[c.get("image"), (resized or {}).get(c["name"]) or c.get("resources"), c.get("ports"), c.get("restartPolicy")]
         for c in spec.get("initContainers") or ()],
        own or spec.get("resources"), spec.get("overhead"), spec.get("nodeSelector"), spec.get("affinity") or {},
        spec.get("tolerations"), spec.get("topologySpreadConstraints") or (), spec.get("hostNetwork"),
    ]  # fmt: skip
    text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    if (
        b"atchLabelKeys" in text
    ):  # matchLabelKeys, mismatchLabelKeys: the pod's own labels are part of what it asks
        facts[1] = meta.labels(pod)
        text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    return _parse_demand(text)


@short_cache(4096, longest=16384)
def _parse_demand(facts: bytes) -> Demand:
    (namespace, labels, containers, init_containers, pod_resources, overhead, node_selector, affinity,
     tolerations, constraints, host_network) = orjson.loads(facts)  # fmt: skip
    node_affinity = affinity.get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    own, anti = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    requests, nonzero_cpu, nonzero_memory = _requests(containers, init_containers, pod_resources, overhead)
    return Demand(
        requests=requests,
        nonzero_cpu_millis=nonzero_cpu,
        nonzero_memory_bytes=nonzero_memory,
        host_ports=tuple(_host_ports([*containers, *(c for c in init_containers if c[3] == "Always")], host_network)),
        images=tuple(c[0] for c in [*init_containers, *containers] if c[0]),
        node_selector=tuple(Requirement(k, "In", frozenset((v,))) for k, v in (node_selector or {}).items()),
        required_node_terms=None if required is None else node_terms(required.get("nodeSelectorTerms") or ()),
        preferred_node_terms=tuple(
            node_term(entry["preference"], entry["weight"])
            for entry in node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
        tolerations=tuple(
            Toleration(t.get("key") or "", t.get("operator") or "Equal", t.get("value") or "", t.get("effect") or "")
            for t in tolerations or ()
        ),
        affinity=_required_terms(own, namespace, labels),
        anti_affinity=_required_terms(anti, namespace, labels),
        preferred_affinity=_preferred_terms(own, namespace, labels),
        preferred_anti_affinity=_preferred_terms(anti, namespace, labels),
        spread=tuple(_spread(c, labels) for c in constraints),
        reads_labels=labels is not None,
        alone=_alone(orjson.dumps([containers, init_containers, pod_resources, overhead, node_selector, node_affinity,
                                   tolerations, host_network])),
    )  # fmt: skip


@short_cache(4096, longest=16384)
def _alone(facts: bytes) -> object:
    """One object for equal facts: see `Demand.alone`."""
    return object()


def _amount(resource: str, text: Any) -> int:
    return quantity.milli(text) if resource == CPU else quantity.whole(text)


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for resource, amount in more.items():
        total[resource] = total.get(resource, 0) + amount


def _sum_containers(
    containers: list[Any], init_containers: list[Any], minimum: Mapping[str, int]
) -> dict[str, int]:
    """Running containers and sidecars together, or the largest moment of initialisation, whichever is more."""

    def wants(container: list[Any]) -> dict[str, int]:
        stated = ((container[1] or {}).get("requests")) or {}
        return {**minimum, **{resource: _amount(resource, text) for resource, text in stated.items()}}

    total: dict[str, int] = {}
    for container in containers:
        _add(total, wants(container))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in init_containers:
        moment = dict(sidecars)
        _add(moment, wants(container))
        if container[3] == "Always":
            sidecars = moment
        for resource, amount in moment.items():
            peak[resource] = max(peak.get(resource, 0), amount)
    _add(total, sidecars)
    for resource, amount in peak.items():
        total[resource] = max(total.get(resource, 0), amount)
    return total


def _requests(
    containers: list[Any], init_containers: list[Any], pod_resources: Any, overhead: Any
) -> tuple[dict[str, int], int, int]:
    exact = _sum_containers(containers, init_containers, {})
    padded = _sum_containers(
        containers, init_containers, {CPU: DEFAULT_CPU_MILLIS, MEMORY: DEFAULT_MEMORY_BYTES}
    )
    for resource, text in ((pod_resources or {}).get("requests") or {}).items():
        exact[resource] = padded[resource] = _amount(resource, text)
    extra = {resource: _amount(resource, text) for resource, text in (overhead or {}).items()}
    _add(exact, extra)
    _add(padded, extra)
    cpu, memory = (min(padded.get(resource, 0), LARGEST_AMOUNT) for resource in (CPU, MEMORY))
    return {r: min(n, LARGEST_AMOUNT) for r, n in exact.items() if n}, cpu, memory


def _host_ports(containers: list[Any], host_network: bool | None) -> list[HostPort]:
    found = []
    for container in containers:
        for port in container[2] or ():
            number = port.get("hostPort") or (port.get("containerPort") if host_network else 0)
            if number:
                found.append(HostPort(port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", number))
    return found


def node_terms(terms: Any) -> tuple[NodeTerm, ...]:
    """A term without any condition matches no node, as upstream has it."""
    return tuple(term for term in map(node_term, terms) if term.expressions or term.fields)


def node_term(term: Mapping[str, Any], weight: int = 0) -> NodeTerm:
    return NodeTerm(
        tuple(map(node_selector_requirement, term.get("matchExpressions") or ())),
        tuple(map(node_selector_requirement, term.get("matchFields") or ())),
        weight,
    )


def _narrowed(
    selector: Mapping[str, Any] | None, body: Mapping[str, Any], labels: Mapping[str, str] | None
) -> Selector:
    """The selector, with `matchLabelKeys` and `mismatchLabelKeys` turned into requirements on the pod's own labels."""
    base = from_label_selector(selector)
    labels = labels or {}
    more = [
        Requirement(k, "In", frozenset((labels[k],))) for k in body.get("matchLabelKeys") or () if k in labels
    ]
    more += [
        Requirement(k, "NotIn", frozenset((labels[k],)))
        for k in body.get("mismatchLabelKeys") or ()
        if k in labels
    ]
    return Selector((*base.requirements, *more), base.nothing) if more else base


def _affinity_term(
    term: Mapping[str, Any], namespace: str, labels: Mapping[str, str] | None, weight: int = 0
) -> AffinityTerm:
    chosen, by_label = term.get("namespaces") or (), term.get("namespaceSelector")
    return AffinityTerm(
        term.get("topologyKey") or "",
        _narrowed(term.get("labelSelector"), term, labels),
        frozenset(chosen) if chosen or by_label is not None else frozenset((namespace,)),
        None if by_label is None else from_label_selector(by_label),
        weight,
    )


def _required_terms(side: Mapping[str, Any], namespace: str, labels: Any) -> tuple[AffinityTerm, ...]:
    terms = side.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(_affinity_term(term, namespace, labels) for term in terms)


def _preferred_terms(side: Mapping[str, Any], namespace: str, labels: Any) -> tuple[AffinityTerm, ...]:
    terms = side.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return tuple(_affinity_term(t["podAffinityTerm"], namespace, labels, t["weight"]) for t in terms)


def _spread(constraint: Mapping[str, Any], labels: Mapping[str, str] | None) -> SpreadConstraint:
    return SpreadConstraint(
        constraint["topologyKey"],
        constraint["maxSkew"],
        _narrowed(constraint.get("labelSelector"), constraint, labels),
        constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        constraint.get("minDomains") or 1,
        constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )
