"""Namespaces that do not go away."""

import re
from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.findings import (
    CAUSE,
    LIKELY,
    Evidence,
    Finding,
    Object,
    condition,
    field,
    finding,
    ready_to_type,
    word,
)
from pinnace.insight.world import World

MOST_HELD = 5  # objects of one type
_REMAINS = re.compile(r"([a-z0-9-]+)\.([a-z0-9.-]*) has \d+ resource instances")
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
        held, mends = ([], _apis(world)) if "Discovery" in kind else _held(namespace, world)
        yield finding(
            namespace, f"it cannot go: {text}: {message}", evidence=[condition(namespace, found), *held],
            rank=LIKELY if kind == "NamespaceContentRemaining" or world.age(namespace) < 10 else CAUSE,
            commands=[*mends, *commands, f"kubectl get {_types(namespace)} -n {name}"],
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


def _types(namespace: Object) -> str:
    """Those of which objects remain."""
    found = meta.find_condition(namespace, "NamespaceContentRemaining") or {}
    names = [
        f"{plural}.{group}" if group else plural
        for plural, group in _REMAINS.findall(found.get("message") or "")
    ]
    return ",".join(names) or "all"


def _held(namespace: Object, world: World) -> tuple[list[Evidence], list[str]]:
    """The objects that remain, each with what holds it."""
    found = meta.find_condition(namespace, "NamespaceContentRemaining") or {}
    evidence: list[Evidence] = []
    commands: list[str] = []
    for plural, group in _REMAINS.findall(found.get("message") or ""):
        what = f"{plural}.{group}" if group else plural
        for one in world.contents(group, plural, meta.name(namespace))[:MOST_HELD]:
            names = one["metadata"].get("finalizers") or []
            held = f"finalizers {', '.join(names)}" if names else "no finalizer: on its way"
            evidence.append(Evidence(f"{what}/{meta.name(one)}", held))
            if names:
                body = word('{"metadata":{"finalizers":null}}')
                commands.append(
                    f"kubectl patch {word(what)} {word(meta.name(one))} -n {meta.name(namespace)} --type=merge -p {body}"
                )
    return evidence, commands


def _apis(world: World) -> list[str]:
    """Those that do not answer: to be mended, or taken away where nobody needs them any more."""
    bad = [
        one
        for one in world.every("APIService")
        if (meta.find_condition(one, "Available") or {}).get("status") == "False"
    ]
    return [
        text
        for one in bad
        for text in (ready_to_type("delete", one), f"pinnace why apiservice {meta.name(one)}")
    ]
