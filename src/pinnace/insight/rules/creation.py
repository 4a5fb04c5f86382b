"""Pods that a controller wants and may not create: quota, service account, pod security, webhooks, limit ranges."""

import re
from collections.abc import Iterator
from decimal import Decimal

from pinnace.api import meta
from pinnace.apimachinery.quantity import parse
from pinnace.insight.commands import edit_template, maker, patch
from pinnace.insight.findings import (
    Finding,
    Object,
    condition,
    event,
    finding,
    in_namespace,
    ready_to_type,
    word,
)
from pinnace.insight.rules.extensions import ways_out
from pinnace.insight.whatif.obstacles import amount
from pinnace.insight.world import World

_QUOTA = re.compile(r"exceeded quota: ([^,]+), requested: (.*?), used: (.*?), limited: (.*?)(?:$|\s\()")
_POLICY = re.compile(
    r"(ValidatingAdmissionPolicy|policy) '([^']+)'(?: with binding '([^']+)')? denied request: (.*)"
)
_WEBHOOK = re.compile(r'webhook "([^"]+)"')
_PRIORITY = re.compile(r"no PriorityClass with name ([^\s]+) was found")
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
    cause, commands = explain(owner, message, world)
    if _QUOTA.search(message) and (deployment := _without_room(owner, world)):
        cause += f"; Deployment {meta.name(deployment)} may take no old pod away first (maxUnavailable), so its rollout needs room for one more"
        body = {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}}
        commands = [patch(deployment, body), *commands]
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


def explain(owner: Object, message: str, world: World) -> tuple[str, list[str]]:
    namespace, edit = in_namespace(owner), edit_template(owner, world)
    if match := _QUOTA.search(message):
        name, requested, used, limited = match.groups()
        return (
            f"quota {name} allows no more pods like it: asked for {requested}, used {used}, limited to {limited}",
            [*_larger(owner, match.groups(), world), f"kubectl edit resourcequota {name}{namespace}", f"kubectl describe resourcequota {name}{namespace}"],
        )  # fmt: skip
    if "failed quota" in message or "must specify" in message:
        return (
            f"a quota of the namespace wants every container to say its requests or limits: {message}",
            [*edit, f"kubectl get resourcequota{namespace}"],
        )
    if "violates PodSecurity" in message:
        return (
            f"pod security of the namespace forbids such pods: {message[message.index('violates') :]}",
            [*edit, f"kubectl get namespace {meta.namespace(owner)} --show-labels"],
        )
    if match := _POLICY.search(message):
        by, policy, bound, said = match.groups()
        kind = "mutatingadmissionpolicy" if by == "policy" else by.lower()  # as the server names them
        looks = [f"kubectl get {kind} {policy} -o yaml"]
        looks += [f"kubectl describe {kind}binding {bound}"] if bound else []
        return f"admission policy {policy} denied its pods: {said}", [*edit, *looks]
    if match := _WEBHOOK.search(message):
        return _of_webhook(match.group(1), message, edit, world)
    if ("serviceaccount" in message.lower() or "service account" in message) and "not found" in message:
        match = _ACCOUNT.search(message)
        name = next((one for one in match.groups() if one), "") if match else ""
        return f"the service account {name} of its pods is not there", [
            f"kubectl create serviceaccount {name or 'YOUR_NAME'}{namespace}"
        ]
    if "maximum" in message or "minimum" in message:
        return f"a LimitRange of the namespace forbids such pods: {message}", [
            *edit,
            f"kubectl describe limitrange{namespace}",
        ]
    if "PriorityClass" in message:
        match = _PRIORITY.search(message)
        create = f"kubectl create priorityclass {word(match.group(1))} --value=YOUR_NUMBER" if match else ""
        return f"the priority class of its pods is not there: {message}", [
            *([create] if create else []), *edit, "kubectl get priorityclasses"]  # fmt: skip
    return f"its pods cannot be created: {message}", [ready_to_type("describe", owner)]


def _larger(owner: Object, message: tuple[str, ...], world: World) -> list[str]:
    """The quota with room for all pods that are missing."""
    quota, requested, used, limited = message
    missing = _missing(owner, world)
    asked, have, hard = _amounts(requested), _amounts(used), dict[str, str]()
    for resource, limit in _amounts(limited).items():
        if resource not in asked or resource not in have:
            return []
        enough = have[resource] + asked[resource] * missing
        hard[resource] = amount(max(enough, limit))
    obj = {"kind": "ResourceQuota", "metadata": {"name": quota, "namespace": meta.namespace(owner)}}
    return [patch(obj, {"spec": {"hard": hard}})] if hard else []


def _amounts(text: str) -> dict[str, Decimal]:
    """`cpu=1,pods=2`, as the server writes it."""
    try:
        return {name: parse(value) for name, _, value in (one.partition("=") for one in text.split(","))}
    except ValueError:
        return {}


def _missing(owner: Object, world: World) -> int:
    made_by = maker(owner, world)
    if made_by["kind"] == "Deployment" and "spec" in made_by:
        return _missing_of_rollout(made_by, world)
    spec, status = owner["spec"], owner.get("status") or {}
    if owner["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled") or 1) - int(status.get("currentNumberScheduled") or 0)
    return max(
        1, int(spec.get("replicas", spec.get("parallelism", 1)) or 0) - int(status.get("replicas") or 0)
    )


def _missing_of_rollout(deployment: Object, world: World) -> int:
    """Also those that a rollout has above what is wanted, unless it is the first."""
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status") or {}
    surge = str(
        ((deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge", "25%")
    )
    more = -(-int(surge[:-1]) * wanted // 100) if surge.endswith("%") else int(surge)
    is_first = meta.annotations(deployment).get("deployment.kubernetes.io/revision", "1") == "1"
    sets = world.owned_by(deployment, "ReplicaSet")
    have = sum(len(world.owned_by(one, "Pod")) for one in sets)  # the status may be behind
    return max(1, wanted + (0 if is_first else more) - max(have, int(status.get("replicas") or 0)))


def _of_webhook(name: str, message: str, edit: list[str], world: World) -> tuple[str, list[str]]:
    look = "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"
    if "denied the request" in message:
        return f"webhook {name} denied its pods: {message}", [*edit, look]
    cause = f"webhook {name} does not answer, and its failurePolicy is Fail: {message}"
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        for one in world.every(kind):
            for at, hook in enumerate(one.get("webhooks") or ()):
                if hook.get("name") == name:
                    return cause, [*ways_out(one, at), look]
    return cause, [look]
