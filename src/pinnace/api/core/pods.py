"""What a pod is and does: phases, readiness, containers, building one from a template. Resources: `pod_resources`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pinnace.api import conditions, meta, names
from pinnace.api.core.pod_resources import limits, qos_class, requests
from pinnace.api.meta import Object
from pinnace.apimachinery import times

TERMINAL_PHASES = ("Succeeded", "Failed")
CONFIG_SOURCE = "kubernetes.io/config.source"
CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_MIRROR = "kubernetes.io/config.mirror"
SYSTEM_CRITICAL_PRIORITY = 2_000_000_000
DEFAULT_GRACE_PERIOD_SECONDS = 30

set_condition = conditions.set_condition
__all__ = ["limits", "qos_class", "requests"]  # part of this module's vocabulary, though they live next door


# -- phases and readiness ---------------------------------------------------------------------------------------
def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase", "")


def is_terminal(pod: Object) -> bool:
    """Succeeded or Failed: its containers never run again."""
    return phase(pod) in TERMINAL_PHASES


def is_terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_active(pod: Object) -> bool:
    """Counts as a replica: neither finished nor on its way out."""
    return not is_terminal(pod) and not is_terminating(pod)


def get_condition(pod: Object, kind: str) -> dict[str, Any] | None:
    return conditions.find((pod.get("status") or {}).get("conditions"), kind)


def is_ready(pod: Object) -> bool:
    return conditions.is_true((pod.get("status") or {}).get("conditions"), "Ready")


def ready_since(pod: Object) -> datetime | None:
    """When the pod became ready; None while it is not (or does not say)."""
    condition = get_condition(pod, "Ready")
    if condition is None or condition.get("status") != "True" or not condition.get("lastTransitionTime"):
        return None
    return times.parse_time(condition["lastTransitionTime"])


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Ready, and has been for `min_ready_seconds`."""
    if not is_ready(pod):
        return False
    if not min_ready_seconds:
        return True
    since = ready_since(pod)
    return since is not None and since + timedelta(seconds=min_ready_seconds) <= now


# -- origin -----------------------------------------------------------------------------------------------------
def is_mirror(pod: Object) -> bool:
    """The API's picture of a static pod."""
    return CONFIG_MIRROR in meta.annotations(pod)


def is_static(pod: Object) -> bool:
    """Comes from a file on the node, not from the API."""
    source = meta.annotations(pod).get(CONFIG_SOURCE)
    return source is not None and source != "api"


def is_critical(pod: Object) -> bool:
    return is_static(pod) or is_mirror(pod) or priority(pod) >= SYSTEM_CRITICAL_PRIORITY


def is_gated(pod: Object) -> bool:
    return bool(pod["spec"].get("schedulingGates"))


# -- what the spec says -----------------------------------------------------------------------------------------
def node_name(pod: Object) -> str:
    return pod["spec"].get("nodeName") or ""


def priority(pod: Object) -> int:
    return pod["spec"].get("priority") or 0


def uses_host_network(pod: Object) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def grace_period_seconds(pod: Object) -> int:
    """What remains of a deletion's grace, else what the spec grants."""
    chosen = pod["metadata"].get("deletionGracePeriodSeconds")
    if chosen is None:
        chosen = pod["spec"].get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE_PERIOD_SECONDS if chosen is None else chosen


def pod_ip(pod: Object) -> str:
    return (pod.get("status") or {}).get("podIP") or ""


def pod_ips(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    listed = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return listed or ([status["podIP"]] if status.get("podIP") else [])


# -- containers -------------------------------------------------------------------------------------------------
def containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("containers") or []


def init_containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("initContainers") or []


def ephemeral_containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("ephemeralContainers") or []


def is_sidecar(container: dict[str, Any]) -> bool:
    """An init container that keeps running beside the app containers."""
    return container.get("restartPolicy") == "Always"


def all_containers(pod: Object) -> Iterator[dict[str, Any]]:
    """Init, app and ephemeral containers, in this order."""
    yield from init_containers(pod)
    yield from containers(pod)
    yield from ephemeral_containers(pod)


def find_container(pod: Object, name: str) -> dict[str, Any] | None:
    return next((one for one in all_containers(pod) if one.get("name") == name), None)


def container_statuses(pod: Object) -> Iterator[dict[str, Any]]:
    """Statuses of init, app and ephemeral containers."""
    status = pod.get("status") or {}
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        yield from status.get(field) or ()


def find_container_status(pod: Object, name: str) -> dict[str, Any] | None:
    return next((one for one in container_statuses(pod) if one.get("name") == name), None)


def restart_count(pod: Object) -> int:
    """Restarts of the container that restarted most often, as controllers rank pods."""
    return max((status.get("restartCount", 0) for status in container_statuses(pod)), default=0)


def host_ports(pod: Object) -> Iterator[tuple[str, str, int]]:
    """(protocol, host IP, port) of every port that the node itself must have free."""
    for container in (*containers(pod), *filter(is_sidecar, init_containers(pod))):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("protocol") or "TCP", port.get("hostIP") or "0.0.0.0", port["hostPort"]


# -- building ---------------------------------------------------------------------------------------------------
def from_template(
    template: Object, owner: dict[str, Any], generate_name: str = "", namespace: str = ""
) -> Object:
    """A new pod of this template. `owner` is the controller's owner reference (`meta.owner_reference`)."""
    source = template.get("metadata") or {}
    metadata: dict[str, Any] = {"generateName": generate_name or generate_name_of(owner["name"])}
    if namespace:
        metadata["namespace"] = namespace
    for field in ("labels", "annotations", "finalizers"):
        if source.get(field):
            metadata[field] = source[field].copy()
    metadata["ownerReferences"] = [owner]
    spec = meta.mutable_copy(template.get("spec") or {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def generate_name_of(controller: str) -> str:
    """`web-` for a controller `web`; without the dash where that would not make a valid pod name."""
    prefix = f"{controller}-"
    return prefix if not names.dns_subdomain(names.without_trailing_dash(prefix)) else controller
