"""What Endpoints and EndpointSlices have in common: which pods back a Service, on which ports, and when that last changed."""

from collections.abc import Iterable, Iterator

from pinnace.api import meta
from pinnace.api.core import services
from pinnace.api.core.pods import pod_ips
from pinnace.api.meta import Object
from pinnace.client.informer import Key
from pinnace.controllers.runtime import World, pods

TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"


def has_backends(service: Object) -> bool:
    """Services without a selector, and external names, are nobody's but the user's."""
    spec = service["spec"]
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def backing_pods(service: Object, world: World) -> list[Object]:
    """Pods that match and have not finished, in a stable order."""
    found = world.pods_labelled(meta.namespace(service), service["spec"]["selector"])
    return sorted((pod for pod in found if not pods.is_terminal(pod)), key=meta.name)


def address_of(pod: Object, family: str) -> str | None:
    """The pod's address of this family: IPv4 or IPv6."""
    return next((ip for ip in pod_ips(pod) if (":" in ip) == (family == "IPv6")), None)


def families(service: Object) -> list[str]:
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return list(spec["ipFamilies"])
    return ["IPv6" if ":" in (spec.get("clusterIP") or "") else "IPv4"]


def endpoint_ports(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod serves them; a named target that the pod lacks is left out."""
    result = []
    for port in service["spec"].get("ports") or ():
        number = target_number(port, pod)
        if number is None:
            continue
        entry: Object = {
            "name": port.get("name") or "",
            "port": number,
            "protocol": port.get("protocol") or "TCP",
        }
        if port.get("appProtocol"):
            entry["appProtocol"] = port["appProtocol"]
        result.append(entry)
    return result


def target_number(port: Object, pod: Object) -> int | None:
    target = port.get("targetPort")
    if not isinstance(target, str):
        return target or port["port"]
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for offered in container.get("ports") or ():
            if offered.get("name") == target and offered.get("protocol", "TCP") == port.get(
                "protocol", "TCP"
            ):
                number: int = offered["containerPort"]
                return number
    return None


def target_reference(pod: Object) -> Object:
    return {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}


def hostname(service: Object, pod: Object) -> str:
    """The name under which DNS shows this pod, if it asked for one in this Service."""
    spec = pod["spec"]
    own: str = spec.get("hostname") or ""
    return own if spec.get("subdomain") == meta.name(service) else ""


def trigger_time(service: Object, backends: Iterable[Object]) -> str:
    """When the latest change that shows in the endpoints happened: a readiness change of a pod, or the Service's creation."""
    moments = [service["metadata"].get("creationTimestamp") or ""]
    for pod in backends:
        ready = meta.find_condition(pod, "Ready")
        if ready is not None:
            moments.append(ready.get("lastTransitionTime") or "")
    return max(moments)


def copied_labels(service: Object, reserved: Iterable[str]) -> dict[str, str]:
    """The Service's labels but for those that have a meaning here."""
    own = {key: value for key, value in meta.labels(service).items() if key not in reserved}
    return {**own, HEADLESS: ""} if services.is_headless(service) else own


def _shown(pod: Object) -> tuple[object, ...]:
    return (
        meta.labels(pod), pod_ips(pod), pods.is_ready(pod), meta.is_terminating(pod),
        pods.is_terminal(pod), pods.node_name(pod),
    )  # fmt: skip


def services_of_pod(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Services that show this pod, when something changed that they show."""
    if old is not None and new is not None and _shown(old) == _shown(new):
        return
    for pod in (old, new):
        if pod is not None and (pod_ips(pod) or old is not None):
            for service in world.services_selecting(pod):
                yield meta.key(service)
