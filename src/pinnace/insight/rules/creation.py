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
    yield finding(owner, cause, evidence=[*map(event, seen[:1]), *evidence], commands=commands)


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
