"""On which nodes a DaemonSet's pods belong, and what such a pod looks like."""

from collections.abc import Iterable, Sequence

from pinnace.api import meta
from pinnace.api.core import node_affinity, nodes
from pinnace.api.core.tolerations import (
    DISK_PRESSURE,
    MEMORY_PRESSURE,
    NETWORK_UNAVAILABLE,
    NO_EXECUTE,
    NO_SCHEDULE,
    NOT_READY,
    PID_PRESSURE,
    UNREACHABLE,
    UNSCHEDULABLE,
    first_untolerated,
)
from pinnace.api.meta import Object
from pinnace.controllers.runtime import pods

HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"

_ALWAYS = (
    (NOT_READY, NO_EXECUTE),
    (UNREACHABLE, NO_EXECUTE),
    (DISK_PRESSURE, NO_SCHEDULE),
    (MEMORY_PRESSURE, NO_SCHEDULE),
    (PID_PRESSURE, NO_SCHEDULE),
    (UNSCHEDULABLE, NO_SCHEDULE),
)


def tolerations(spec: Object) -> list[Object]:
    """The template's tolerations, and those of every daemon: it stays on nodes that are in trouble."""
    result = list(spec.get("tolerations") or ())
    keys = [*_ALWAYS, *([(NETWORK_UNAVAILABLE, NO_SCHEDULE)] if spec.get("hostNetwork") else [])]
    for key, effect in keys:
        entry = {"key": key, "operator": "Exists", "effect": effect}
        if entry not in result:
            result.append(entry)
    return result


def should_run(spec: Object, tolerated: Sequence[Object], node: Object) -> tuple[bool, bool]:
    """(may a pod be started on `node`?, may one that is there go on?) for a template's pod spec."""
    name = meta.name(node)
    if (spec.get("nodeName") or name) != name or not node_affinity.matches({"spec": spec}, node):
        return False, False
    if first_untolerated(nodes.taints(node), tolerated) is None:
        return True, True
    return False, first_untolerated(nodes.taints(node), tolerated, (NO_EXECUTE,)) is None


def target_node(pod: Object) -> str:
    """The node that a daemon pod is on or, before it is bound, is meant for."""
    if name := pods.node_name(pod):
        return name
    for term in node_affinity.required_terms(pod) or ():
        for entry in term.get("matchFields") or ():
            if entry["key"] == "metadata.name" and entry["operator"] == "In" and len(entry["values"]) == 1:
                return str(entry["values"][0])
    return ""


def daemon_pod(ds: Object, node: str, digest: str) -> Object:
    """The pod for one node: pinned to it by affinity, so that the scheduler still decides whether it fits."""
    template = ds["spec"]["template"]
    pod = pods.for_owner(template, ds)
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
