"""Deployment controller: one ReplicaSet per pod template, and an orderly way from the old ones to the new one.

`rollout` is the pass, `sizes` its arithmetic, `revisions` the history, `status` what is reported. Leaves out the
`deprecated.deployment.rollback.to` annotation of the extensions API; clients roll back by applying an older template.
"""

from collections.abc import Iterable, Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from pinnace.client.informer import Key
from pinnace.controllers.deployment.rollout import Rollout
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Emit,
    SetStatus,
    World,
    claim,
    owned_by,
    selector_of,
)


def reconcile(deployment: Object, world: World) -> Iterator[Action]:
    if selector_of(deployment).is_everything:
        yield from refuse_everything(deployment)
        return
    owned = claim(deployment, REPLICA_SETS, world)
    if owned.actions:
        yield from owned.actions  # the next pass, once the informer has seen them, decides on the right family
        return
    yield from Rollout(deployment, owned.kept, world).run()


def refuse_everything(deployment: Object) -> Iterator[Action]:
    message = "This deployment is selecting all pods. A non-empty selector is required."
    yield Emit(deployment, "Warning", "SelectingAll", message)
    status, generation = deployment.get("status") or {}, deployment["metadata"].get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        yield SetStatus(deployment, {**status, "observedGeneration": generation})


def of_vanished_pod(old: Object | None, new: Object | None, world: World) -> Iterable[Key]:
    """A Recreate rollout waits for the last old pod: only a pod that is gone (or finished) matters here."""
    pod = new if new is not None else old
    reference = meta.controller_of(pod) if pod is not None else None
    if pod is None or reference is None or reference["kind"] != "ReplicaSet":
        return
    if new is not None and (new.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        return
    rs = world.get(REPLICA_SETS, reference["name"], meta.namespace(pod))
    owner = meta.controller_of(rs) if rs is not None else None
    if owner is not None and owner["kind"] == "Deployment":
        key = meta.namespace(pod), owner["name"]
        deployment = world.get(DEPLOYMENTS, owner["name"], meta.namespace(pod))
        if deployment and (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            yield key


CONTROLLER = Controller(
    name="deployment",
    source="deployment-controller",
    primary=DEPLOYMENTS,
    reconcile=reconcile,
    watches={REPLICA_SETS: owned_by(DEPLOYMENTS, "Deployment"), PODS: of_vanished_pod},
    coalesce_seconds=0.05,
)
