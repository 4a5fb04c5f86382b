"""Namespaces that do not go away."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.findings import CAUSE, LIKELY, Finding, Object, condition, field, finding
from pinnace.insight.world import World

_CONDITIONS = {
    "NamespaceDeletionDiscoveryFailure": ("an API that the server offers does not answer, so nobody knows whether it has objects there", ["kubectl get apiservices"]),
    "NamespaceDeletionGroupVersionParsingFailure": ("a type of the cluster has a version that cannot be read", ["kubectl get apiservices"]),
    "NamespaceDeletionContentFailure": ("some of its objects cannot be deleted", []),
    "NamespaceFinalizersRemaining": ("objects in it have finalizers that nobody removes", []),
    "NamespaceContentRemaining": ("objects in it are still there", []),
}  # fmt: skip


def terminating(namespace: Object, world: World) -> Iterator[Finding]:
    if "deletionTimestamp" not in namespace["metadata"]:
        return
    name, told = meta.name(namespace), 0
    for kind, (text, commands) in _CONDITIONS.items():
        found = meta.find_condition(namespace, kind)
        if not found or found.get("status") != "True" or (kind == "NamespaceContentRemaining" and told):
            continue
        told += 1
        message = " ".join((found.get("message") or "").split())
        yield finding(
            namespace, f"it cannot go: {text}: {message}", evidence=[condition(namespace, found)],
            rank=LIKELY if kind == "NamespaceContentRemaining" or world.age(namespace) < 10 else CAUSE,
            commands=[*commands, f"kubectl get all -n {name}"],
        )  # fmt: skip
    if not told:
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        others = [one for one in finalizers if one != "kubernetes"]
        if others:
            yield finding(
                namespace, f"it cannot go: the finalizer {', '.join(others)} has not been removed", evidence=[field(namespace, "spec.finalizers", finalizers)],
                commands=[f"kubectl get namespace {name} -o yaml"],
            )  # fmt: skip
        else:
            yield finding(namespace, "it is being deleted: what it holds goes first", rank=LIKELY - 20,
                          evidence=[field(namespace, "status.phase", (namespace.get("status") or {}).get("phase"))],
                          commands=[f"kubectl get all -n {name}"])  # fmt: skip
