"""The vocabulary of pods that controllers use: `pinnace.api.core.pods`, and what only controllers ask."""

from datetime import datetime, timedelta

from pinnace.api import meta
from pinnace.api.core.pods import (
    generate_name_of,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    node_name,
    phase,
    ready_since,
    restart_count,
)
from pinnace.api.meta import Object

__all__ = [
    "available_in",
    "for_owner",
    "is_active",
    "is_available",
    "is_ready",
    "is_terminal",
    "node_name",
    "phase",
    "ready_since",
    "restart_count",
]


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


def for_owner(template: Object, owner: Object) -> Object:
    """A pod as `owner` creates it. Unlike `from_template` it shares parts with the template: to be sent, not to be changed."""
    source = template.get("metadata") or {}
    metadata: Object = {
        "generateName": generate_name_of(meta.name(owner)),
        "namespace": meta.namespace(owner),
        "labels": source.get("labels") or {},
        "ownerReferences": [meta.owner_reference(owner)],
    }
    for field in ("annotations", "finalizers"):
        if source.get(field):
            metadata[field] = source[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
