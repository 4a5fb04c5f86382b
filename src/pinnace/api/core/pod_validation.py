"""Validation of a pod and of a pod template.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go
Left out: Windows pods.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.api.core import scheduling_validation as scheduling
from pinnace.api.core.claim_validation import validate_container_claims, validate_pod_claims
from pinnace.api.core.container_validation import validate_containers, validate_ephemeral_containers
from pinnace.api.core.resource_validation import validate_pod_level
from pinnace.api.core.security_validation import validate_pod_security
from pinnace.api.core.volume_validation import validate_volumes
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Spec = Mapping[str, Any]
RESTART_POLICIES = ("Always", "Never", "OnFailure")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
PREEMPTION_POLICIES = ("Never", "PreemptLowerPriority")
MAX_DEADLINE = 2147483647
MAX_NAMESERVERS, MAX_SEARCHES = 3, 32


def validate_pod(pod: Object) -> Found:
    spec = pod.get("spec") or {}
    yield from validate_pod_spec(spec, "spec")
    if spec.get("ephemeralContainers"):
        yield from validate_ephemeral_containers(spec, "spec")


def validate_template(template: Object, path: str) -> Found:
    own = template.get("metadata") or {}
    yield from metadata.validate_labels(own.get("labels"), f"{path}.labels")
    yield from metadata.validate_annotations(own.get("annotations"), f"{path}.annotations")
    spec = template.get("spec") or {}
    yield from validate_pod_spec(spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        why = "ephemeral containers not allowed in pod template"
        yield fields.forbidden(f"{path}.spec.ephemeralContainers", why)


def validate_pod_spec(spec: Spec, path: str) -> Found:
    if volumes := spec.get("volumes"):
        yield from validate_volumes(volumes, f"{path}.volumes")
    yield from validate_containers(spec, path)
    yield from _validate_choices(spec, path)
    if selector := spec.get("nodeSelector"):
        yield from metadata.validate_labels(selector, f"{path}.nodeSelector")
    if security := spec.get("securityContext"):
        yield from validate_pod_security(security, f"{path}.securityContext")
    yield from _validate_scheduling(spec, path)
    yield from _validate_names(spec, path)
    yield from _validate_network(spec, path)
    if spec.get("hostUsers") is False:
        yield from _validate_own_users(spec, path)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        yield from validate_deadline(deadline, f"{path}.activeDeadlineSeconds")
    if claims := spec.get("resourceClaims"):
        yield from validate_pod_claims(claims, f"{path}.resourceClaims")
    yield from validate_container_claims(spec, path)
    if spec.get("resources"):
        yield from validate_pod_level(spec, path)


def validate_deadline(seconds: int, path: str) -> Found:
    if not 1 <= seconds <= MAX_DEADLINE:
        yield fields.invalid(path, seconds, f"must be between 1 and {MAX_DEADLINE}, inclusive")


def _validate_choices(spec: Spec, path: str) -> Found:
    restart, dns = spec.get("restartPolicy") or "", spec.get("dnsPolicy") or ""
    if not restart:
        yield fields.required(f"{path}.restartPolicy")
    elif restart not in RESTART_POLICIES:
        yield fields.not_supported(f"{path}.restartPolicy", restart, RESTART_POLICIES)
    if not dns:
        yield fields.required(f"{path}.dnsPolicy")
    elif dns not in DNS_POLICIES:
        yield fields.not_supported(f"{path}.dnsPolicy", dns, DNS_POLICIES)
    preemption = spec.get("preemptionPolicy")
    if preemption is not None and preemption not in PREEMPTION_POLICIES:
        yield fields.not_supported(f"{path}.preemptionPolicy", preemption, PREEMPTION_POLICIES)
    system = spec.get("os")
    if system is not None and system.get("name") not in ("linux", "windows"):
        yield fields.not_supported(f"{path}.os.name", system.get("name", ""), ("linux", "windows"))


def _validate_scheduling(spec: Spec, path: str) -> Found:
    if affinity := spec.get("affinity"):
        yield from scheduling.validate_affinity(affinity, f"{path}.affinity")
    if tolerations := spec.get("tolerations"):
        yield from scheduling.validate_tolerations(tolerations, f"{path}.tolerations")
    if constraints := spec.get("topologySpreadConstraints"):
        yield from scheduling.validate_topology_spread(constraints, f"{path}.topologySpreadConstraints")
    if gates := spec.get("schedulingGates"):
        yield from scheduling.validate_gates(gates, f"{path}.schedulingGates")
        if spec.get("nodeName"):
            why = "cannot be set until all schedulingGates have been cleared"
            yield fields.forbidden(f"{path}.nodeName", why)
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        yield from fields.all_invalid(
            f"{path}.readinessGates[{index}].conditionType", kind, names.qualified_name(kind)
        )


_SUBDOMAINS = ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName")


def _validate_names(spec: Spec, path: str) -> Found:
    for field in _SUBDOMAINS:
        value = spec.get(field)
        if value and (messages := names.dns_subdomain(value)):
            yield from fields.all_invalid(f"{path}.{field}", value, messages)
    for field in ("hostname", "subdomain"):
        value = spec.get(field)
        if value and (messages := names.dns_label(value)):
            yield from fields.all_invalid(f"{path}.{field}", value, messages)


def _validate_network(spec: Spec, path: str) -> Found:
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        here, ip = f"{path}.hostAliases[{index}]", alias.get("ip", "")
        yield from fields.all_invalid(f"{here}.ip", ip, names.ip_address(ip))
        for hostname in alias.get("hostnames") or ():
            yield from fields.all_invalid(f"{here}.hostnames", hostname, names.dns_subdomain(hostname))
    config = spec.get("dnsConfig")
    if config is not None or spec.get("dnsPolicy") == "None":
        yield from _validate_dns(config or {}, spec.get("dnsPolicy"), f"{path}.dnsConfig")


def _validate_own_users(spec: Spec, path: str) -> Found:
    """Users of its own go with no other namespace of the host and with no raw device."""
    why = "when `hostUsers` is false"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield fields.forbidden(f"{path}.{field}", why)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            if container.get("volumeDevices"):
                yield fields.forbidden(f"{path}.{kind}[{index}].volumeDevices", why)


def _validate_dns(config: Mapping[str, Any], policy: str | None, path: str) -> Found:
    servers, searches = config.get("nameservers") or (), config.get("searches") or ()
    if policy == "None" and not servers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield fields.required(f"{path}.nameservers", why)
    if len(servers) > MAX_NAMESERVERS:
        why = f"must not have more than {MAX_NAMESERVERS} nameservers"
        yield fields.invalid(f"{path}.nameservers", servers, why)
    for index, server in enumerate(servers):
        yield from fields.all_invalid(f"{path}.nameservers[{index}]", server, names.ip_address(server))
    if len(searches) > MAX_SEARCHES:
        why = f"must not have more than {MAX_SEARCHES} search paths"
        yield fields.invalid(f"{path}.searches", searches, why)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield fields.required(f"{path}.options[{index}]", "must not be empty")
