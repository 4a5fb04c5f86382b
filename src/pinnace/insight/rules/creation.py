"""Pods that a controller wants and may not create: quota, service account, pod security, webhooks, limit ranges."""

import re
from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.findings import (
    Finding,
    Object,
    condition,
    event,
    finding,
    in_namespace,
    ready_to_type,
)
from pinnace.insight.world import World

_QUOTA = re.compile(r"exceeded quota: ([^,]+), requested: (.*?), used: (.*?), limited: (.*?)(?:$|\s\()")
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']+)'(?: with binding '([^']+)')? denied request: (.*)")
_WEBHOOK = re.compile(r'webhook "([^"]+)"')
_ACCOUNT = re.compile(r'serviceaccounts? "([^"]+)" not found|service account [^\s]*?/([^\s:]+)')


def refused(owner: Object, world: World) -> Iterator[Finding]:
    """Only while it has fewer pods than it wants: events outlive what they tell of."""
    failure = meta.find_condition(owner, "ReplicaFailure")
    has_failed = failure is not None and failure.get("status") == "True"
    if not has_failed and not _is_short(owner):
        return
    seen = world.events(owner, "FailedCreate")
    if not has_failed and not seen:
        return
    message = " ".join(((seen[0].get("message") if seen else (failure or {}).get("message")) or "").split())
    evidence = [condition(owner, failure)] if failure else []
    cause, commands = explain(owner, message)
    if _QUOTA.search(message) and (deployment := _without_room(owner, world)):
        cause += f"; Deployment {meta.name(deployment)} may take no old pod away first (maxUnavailable), so its rollout needs room for one more"
        patch = '{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":1}}}}'
        commands = [ready_to_type("patch", deployment, f"-p '{patch}'"), *commands]
    yield finding(owner, cause, evidence=[*map(event, seen[:1]), *evidence], commands=commands)


def _without_room(owner: Object, world: World) -> Object | None:
    """The Deployment of a new replica set, when its old pods must all stay until new ones are there."""
    reference = meta.controller_of(owner)
    if owner["kind"] != "ReplicaSet" or reference is None or reference["kind"] != "Deployment":
        return None
    deployment = world.get("Deployment", meta.namespace(owner), reference["name"])
    if deployment is None:
        return None
    others = [
        one
        for one in world.owned_by(deployment, "ReplicaSet")
        if (one.get("status") or {}).get("replicas") and meta.uid(one) != meta.uid(owner)
    ]
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    share, wanted = str(rolling.get("maxUnavailable", "25%")), deployment["spec"].get("replicas", 1)
    may_go = int(share[:-1]) * wanted // 100 if share.endswith("%") else int(share)
    return deployment if others and may_go == 0 else None


def _is_short(owner: Object) -> bool:
    spec, status = owner["spec"], owner.get("status") or {}
    if owner["kind"] == "DaemonSet":
        return int(status.get("currentNumberScheduled") or 0) < int(status.get("desiredNumberScheduled") or 0)
    if owner["kind"] == "Job":
        return not status.get("active") and not status.get("succeeded")
    return int(status.get("replicas") or 0) < int(spec.get("replicas", 1) or 0)


def explain(owner: Object, message: str) -> tuple[str, list[str]]:
    namespace = in_namespace(owner)
    if match := _QUOTA.search(message):
        name, requested, used, limited = match.groups()
        return (
            f"quota {name} allows no more pods like it: asked for {requested}, used {used}, limited to {limited}",
            [f"kubectl describe resourcequota {name}{namespace}", f"kubectl edit resourcequota {name}{namespace}"],
        )  # fmt: skip
    if "failed quota" in message or "must specify" in message:
        return (
            f"a quota of the namespace wants every container to say its requests or limits: {message}",
            [f"kubectl get resourcequota{namespace}", ready_to_type("edit", owner)],
        )
    if "violates PodSecurity" in message:
        return (
            f"pod security of the namespace forbids such pods: {message[message.index('violates') :]}",
            [f"kubectl get namespace {meta.namespace(owner)} --show-labels", ready_to_type("edit", owner)],
        )
    if match := _POLICY.search(message):
        policy, bound, said = match.groups()
        return (
            f"admission policy {policy} denied its pods: {said}",
            [f"kubectl get validatingadmissionpolicy {policy} -o yaml", *([f"kubectl describe validatingadmissionpolicybinding {bound}"] if bound else []),
             ready_to_type("edit", owner)],
        )  # fmt: skip
    if match := _WEBHOOK.search(message):
        verb = "denied" if "denied the request" in message else "does not answer"
        return (
            f"webhook {match.group(1)} {'denied its pods' if verb == 'denied' else 'does not answer, and its failurePolicy is Fail'}: {message}",
            ["kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"],
        )
    if ("serviceaccount" in message.lower() or "service account" in message) and "not found" in message:
        match = _ACCOUNT.search(message)
        name = next((one for one in match.groups() if one), "") if match else ""
        return f"the service account {name} of its pods is not there", [
            f"kubectl create serviceaccount {name or 'NAME'}{namespace}"
        ]
    if "maximum" in message or "minimum" in message:
        return f"a LimitRange of the namespace forbids such pods: {message}", [
            f"kubectl describe limitrange{namespace}"
        ]
    if "PriorityClass" in message:
        return f"the priority class of its pods is not there: {message}", ["kubectl get priorityclasses"]
    return f"its pods cannot be created: {message}", [ready_to_type("describe", owner)]
