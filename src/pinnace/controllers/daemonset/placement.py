"""On which nodes a DaemonSet's pods belong, and what such a pod looks like."""

from collections.abc import Iterable, Sequence

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.selectors import from_map, node_selector_requirement
from pinnace.controllers.nodes import taints
from pinnace.controllers.runtime import pods

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"

_ALWAYS = (
    (taints.NOT_READY, "NoExecute"),
    (taints.UNREACHABLE, "NoExecute"),
    (taints.DISK_PRESSURE, "NoSchedule"),
    (taints.MEMORY_PRESSURE, "NoSchedule"),
    (taints.PID_PRESSURE, "NoSchedule"),
    (taints.UNSCHEDULABLE, "NoSchedule"),
)


def tolerations(spec: Object) -> list[Object]:
    """The template's tolerations, and those of every daemon: it stays on nodes that are in trouble."""
    result = list(spec.get("tolerations") or ())
    keys = [*_ALWAYS, *([(taints.NETWORK_UNAVAILABLE, "NoSchedule")] if spec.get("hostNetwork") else [])]
    for key, effect in keys:
        entry = {"key": key, "operator": "Exists", "effect": effect}
        if entry not in result:
            result.append(entry)
    return result


def should_run(spec: Object, tolerated: Sequence[Object], node: Object) -> tuple[bool, bool]:
    """(may a pod be started on `node`?, may one that is there go on?) for a template's pod spec."""
    name = meta.name(node)
    if (spec.get("nodeName") or name) != name or not matches_node(spec, node):
        return False, False
    if taints.untolerated(taints.of(node), tolerated, ("NoSchedule", "NoExecute")) is None:
        return True, True
    return False, taints.untolerated(taints.of(node), tolerated, ("NoExecute",)) is None


def matches_node(spec: Object, node: Object) -> bool:
    """nodeSelector and required node affinity."""
    labels = meta.labels(node)
    if not from_map(spec.get("nodeSelector")).matches(labels):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": meta.name(node)}
    return any(_term_matches(term, labels, fields) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Object, labels: dict[str, str], fields: dict[str, str]) -> bool:
    expressions, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not by_field:
        return False
    return all(node_selector_requirement(e).matches(labels) for e in expressions) and all(
        node_selector_requirement(e).matches(fields) for e in by_field
    )


def target_node(pod: Object) -> str:
    """The node that a daemon pod is on or, before it is bound, is meant for."""
    if name := pods.node_name(pod):
        return name
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for entry in term.get("matchFields") or ():
            if entry["key"] == "metadata.name" and entry["operator"] == "In" and len(entry["values"]) == 1:
                return str(entry["values"][0])
    return ""


def daemon_pod(ds: Object, node: str, digest: str) -> Object:
    """The pod for one node: pinned to it by affinity, so that the scheduler still decides whether it fits."""
    template = ds["spec"]["template"]
    pod = pods.from_template(template, ds)
    labels = {**pod["metadata"]["labels"], HASH_LABEL: digest}
    if generation := meta.annotations(ds).get(GENERATION_ANNOTATION):
        labels[GENERATION_LABEL] = generation
    spec = {
        **template["spec"],
        "affinity": _pinned(template["spec"].get("affinity") or {}, node),
        "tolerations": tolerations(template["spec"]),
    }
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}, "spec": spec}


def _pinned(affinity: Object, node: str) -> Object:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"nodeSelectorTerms": [term]}
    on_nodes = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": required,
    }
    return {**affinity, "nodeAffinity": on_nodes}


def by_node(owned: Iterable[Object]) -> dict[str, list[Object]]:
    """Daemon pods per node, the oldest first."""
    result: dict[str, list[Object]] = {}
    for pod in sorted(owned, key=_seniority):
        result.setdefault(target_node(pod), []).append(pod)
    return result


def _seniority(pod: Object) -> tuple[bool, str, str]:
    return not pods.node_name(pod), pod["metadata"].get("creationTimestamp", ""), meta.name(pod)
