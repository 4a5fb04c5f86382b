"""A StatefulSet's status: counts over its pods, and which revisions it goes from and to."""

from collections.abc import Sequence
from datetime import datetime

from pinnace.api import meta
from pinnace.api.apps.deployments import replicas
from pinnace.api.meta import Object
from pinnace.controllers.runtime import pods
from pinnace.controllers.statefulset import identity, rolling
from pinnace.controllers.statefulset.slots import is_running_and_ready


def observed(
    ss: Object, owned: Sequence[Object], current: Object, update: Object, rolled: int, now: datetime
) -> Object:
    """`rolled` pods of the current revision are being replaced and do not show it yet."""
    min_ready = ss["spec"].get("minReadySeconds") or 0
    there = [pod for pod in owned if pods.phase(pod) and identity.ordinal_of(pod) >= 0]
    staying = [identity.revision_of(pod) for pod in there if not meta.is_terminating(pod)]
    ready = [pod for pod in there if is_running_and_ready(pod)]
    wanted = replicas(ss)
    revision, updated = meta.name(current), staying.count(meta.name(update))
    at_current = max(0, staying.count(revision) - rolled)  # what rolls may be of yet another revision
    if rolling.is_rolling(ss) and updated == len(ready) == len(there) == wanted:
        revision, at_current = meta.name(update), updated
    optional = {
        "observedGeneration": ss["metadata"].get("generation", 0),
        "readyReplicas": len(ready),
        "currentReplicas": at_current,
        "updatedReplicas": updated,
    }
    status: Object = {
        "replicas": len(there),
        "availableReplicas": sum(pods.is_available(pod, min_ready, now) for pod in ready),
        "currentRevision": revision,
        "updateRevision": meta.name(update),
        **{field: number for field, number in optional.items() if number},
    }
    if conditions := (ss.get("status") or {}).get("conditions"):
        status["conditions"] = conditions
    return status
