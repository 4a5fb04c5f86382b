"""What controllers ask of pods: readiness, availability, activity, and making one from a template."""

from datetime import datetime, timedelta

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.times import parse_time


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase", "")


def is_finished(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Neither finished nor on its way out."""
    return not meta.is_terminating(pod) and not is_finished(pod)


def is_ready(pod: Object) -> bool:
    return meta.condition_is_true(pod, "Ready")


def ready_since(pod: Object) -> datetime | None:
    """When the pod became ready; None while it is not."""
    condition = meta.find_condition(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    moment = condition.get("lastTransitionTime")
    return parse_time(moment) if moment else None


def available_in(pod: Object, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until a ready pod counts as available; 0 when it does; None while it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready_seconds <= 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, (since + timedelta(seconds=min_ready_seconds) - now).total_seconds())


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    return available_in(pod, min_ready_seconds, now) == 0.0


def node_name(pod: Object) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


def from_template(template: Object, owner: Object) -> Object:
    """A pod as its controller creates it. Shares parts with the template: it is to be sent, not to be changed."""
    source = template.get("metadata") or {}
    metadata: Object = {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "labels": source.get("labels") or {},
        "ownerReferences": [meta.owner_reference(owner)],
    }
    for field in ("annotations", "finalizers"):
        if source.get(field):
            metadata[field] = source[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
