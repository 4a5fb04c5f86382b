"""Defaults of pods and pod templates, and the canonical form of their values.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/v1/defaults.go
A pod gets more than a template: service links, and requests from limits. Left out: defaults of in-tree cloud and storage volumes.
"""

from typing import Any

from pinnace.api import normalise
from pinnace.api.core.container_defaults import (
    round_amounts,
    set_container_defaults,
    set_ephemeral_container_defaults,
)
from pinnace.api.core.volume_defaults import set_volume_defaults
from pinnace.api.meta import Object
from pinnace.apimachinery import quantity

Spec = dict[str, Any]


def set_pod_defaults(pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    spec.setdefault("enableServiceLinks", True)
    set_pod_spec_defaults(spec)
    for container in spec.get("containers") or ():
        _requests_from_limits(container)
    for container in spec.get("initContainers") or ():
        _requests_from_limits(container)
    if spec.get("resources"):
        _set_pod_level_requests(spec)
    _set_status_canonical(pod.get("status"))


def set_template_defaults(template: Object) -> None:
    """A pod template inside a Deployment, ReplicaSet, DaemonSet..."""
    template.setdefault("metadata", {}).pop("creationTimestamp", None)
    set_pod_spec_defaults(template.setdefault("spec", {}))


def set_pod_spec_defaults(spec: Spec) -> None:
    spec["restartPolicy"] = spec.get("restartPolicy") or "Always"
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec["schedulerName"] = spec.get("schedulerName") or "default-scheduler"
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    sync_service_account(spec)
    for container in spec.get("containers") or ():
        set_container_defaults(container)
    for container in spec.get("initContainers") or ():
        set_container_defaults(container)
    for container in spec.get("ephemeralContainers") or ():
        set_ephemeral_container_defaults(container)
    for volume in spec.get("volumes") or ():
        set_volume_defaults(volume)
    if spec.get("hostNetwork"):
        _set_host_ports(spec)
    round_amounts(spec.get("overhead"))
    if resources := spec.get("resources"):
        round_amounts(resources.get("limits"))
        round_amounts(resources.get("requests"))


def sync_service_account(spec: Spec) -> None:
    """`serviceAccount` is the deprecated name of `serviceAccountName`: both always say the same."""
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _set_host_ports(spec: Spec) -> None:
    """On the host's network a container port is the host's port."""
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            if not port.get("hostPort") and "containerPort" in port:
                port["hostPort"] = port["containerPort"]


def _requests_from_limits(container: dict[str, Any]) -> None:
    resources = container["resources"]
    if limits := resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _set_pod_level_requests(spec: Spec) -> None:
    """A resource limited for the whole pod is requested too: what containers ask for in sum, else the limit."""
    resources = spec["resources"]
    for name, limit in (resources.get("limits") or {}).items():
        asked = [
            container["resources"]["requests"][name]
            for container in spec.get("containers") or ()
            if name in (container["resources"].get("requests") or {})
        ]
        if name in (resources.get("requests") or {}):
            continue
        total = (
            sum((quantity.parse(amount) for amount in asked[1:]), quantity.parse(asked[0])) if asked else None
        )
        family = "decimal" if name == "cpu" else "binary"
        value = limit if total is None else quantity.format_quantity(total, family)
        resources.setdefault("requests", {})[name] = value


def _set_status_canonical(status: dict[str, Any] | None) -> None:
    if not status:
        return
    normalise.times_in(status, "startTime")
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(field) or ():
            for place in ("state", "lastState"):
                for detail in (entry.get(place) or {}).values():
                    normalise.times_in(detail, "startedAt", "finishedAt")
