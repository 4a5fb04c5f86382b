"""What extends the API and does not work: definitions of custom resources, aggregated APIs, webhooks."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight.commands import patch
from pinnace.insight.findings import (
    CAUSE,
    LIKELY,
    NOTE,
    Finding,
    Object,
    condition,
    field,
    finding,
    ready_to_type,
)
from pinnace.insight.tls_secrets import bundle_problem
from pinnace.insight.world import World


def conversion(crd: Object, world: World) -> Iterator[Finding]:
    """Objects of other versions than the stored one cannot be read without it."""
    hook = ((crd["spec"].get("conversion") or {}).get("webhook") or {}).get("clientConfig") or {}
    if not hook.get("service"):
        return
    if why := _unserved(hook["service"], world):
        versions = [
            one["name"]
            for one in crd["spec"].get("versions") or ()
            if one.get("served") and not one.get("storage")
        ]
        yield finding(
            crd, f"its versions cannot be converted: {why}; requests for {', '.join(versions) or 'other versions'} fail",
            evidence=[field(crd, "spec.conversion.webhook.clientConfig.service", f"{hook['service']['namespace']}/{hook['service']['name']}")],
            commands=[_look(hook["service"], world)],
        )  # fmt: skip


def definition(crd: Object, _: World) -> Iterator[Finding]:
    texts = {
        "NamesAccepted": "another type has one of its names already",
        "Established": "it is not served",
        "NonStructuralSchema": "its schema is not structural: parts of it have no effect",
        "KubernetesAPIApprovalPolicyConformant": "its group is reserved (*.k8s.io), and nobody approved it",
    }
    for kind, text in texts.items():
        found, bad = meta.find_condition(crd, kind), "True" if kind == "NonStructuralSchema" else "False"
        if (
            found
            and found.get("status") == bad
            and not (kind == "Established" and found.get("reason") in ("NotAccepted", "Installing"))
        ):
            yield finding(crd, f"{text}: {found.get('message') or found.get('reason')}", evidence=[condition(crd, found)],
                          commands=["kubectl get crds", ready_to_type("describe", crd)])  # fmt: skip
    if not (crd.get("status") or {}).get("conditions"):
        yield finding(
            crd,
            "nobody has looked at it: it is not served",
            rank=LIKELY,
            evidence=[field(crd, "status.conditions", [])],
        )


def api_service(service: Object, world: World) -> Iterator[Finding]:
    found = meta.find_condition(service, "Available")
    if found and found.get("status") != "True":
        backend = service["spec"].get("service") or {}
        yield finding(
            service, f"the API {meta.name(service)} is not available ({found.get('reason')}): {found.get('message')}",
            evidence=[condition(service, found), field(service, "spec.service", f"{backend.get('namespace')}/{backend.get('name')}")],
            commands=[ready_to_type("delete", service), _look(backend, world)] if backend else [],
        )  # fmt: skip


def webhook(configuration: Object, world: World) -> Iterator[Finding]:
    """Its server cannot answer; with failurePolicy Fail that blocks what it is asked about."""
    for i, hook in enumerate(configuration.get("webhooks") or ()):
        reference = (hook.get("clientConfig") or {}).get("service")
        if not reference:
            continue
        why = _unserved(reference, world) or bundle_problem(hook["clientConfig"].get("caBundle"), world.now)
        if not why:
            continue
        fails = (hook.get("failurePolicy") or "Fail") == "Fail"
        rules = [
            f"{'/'.join(rule.get('operations') or ())} {','.join(rule.get('resources') or ())}"
            for rule in hook.get("rules") or ()
        ]
        effect = (
            f"{'; '.join(rules) or 'requests'} are refused"
            if fails
            else "it is passed over (failurePolicy: Ignore)"
        )
        yield finding(
            configuration, f"webhook {hook['name']} cannot answer: {why}; {effect}", rank=CAUSE if fails else NOTE,
            evidence=[field(configuration, f"webhooks[{i}].clientConfig.service", f"{reference['namespace']}/{reference['name']}"),
                      field(configuration, f"webhooks[{i}].failurePolicy", hook.get("failurePolicy") or "Fail")],
            commands=[*(ways_out(configuration, i) if fails else []), _look(reference, world)],
        )  # fmt: skip


def ways_out(configuration: Object, at: int) -> list[str]:
    """Of a webhook that does not answer: do without it until it does."""
    ignore = [{"op": "replace", "path": f"/webhooks/{at}/failurePolicy", "value": "Ignore"}]
    return [patch(configuration, ignore, "json"), ready_to_type("delete", configuration)]


def _look(reference: Object, world: World) -> str:
    """At the service of a webhook or an aggregated API, or at those that there are instead."""
    namespace, name = reference["namespace"], reference["name"]
    if world.is_missing("Service", namespace, name):
        return f"kubectl get services -n {namespace}"
    return f"pinnace why service {name} -n {namespace}"


def _unserved(reference: Object, world: World) -> str:
    namespace, name = reference["namespace"], reference["name"]
    service = world.get("Service", namespace, name)
    if service is None:
        return (
            f"its service {namespace}/{name} is not there"
            if world.is_missing("Service", namespace, name)
            else ""
        )
    port = reference.get("port") or 443
    if not any(one.get("port") == port for one in service["spec"].get("ports") or ()):
        return f"its service {namespace}/{name} has no port {port}"
    selector = service["spec"].get("selector")
    if selector and world.can_list("Pod", namespace):
        found = world.pods_matching(namespace, {"matchLabels": selector})
        if not any(pods.is_ready(pod) for pod in found):
            return f"its service {namespace}/{name} has no pod that is ready"
    return ""
