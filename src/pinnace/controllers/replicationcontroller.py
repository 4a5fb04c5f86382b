"""ReplicationController controller: the ReplicaSet controller's decisions, for sets whose selector is a map of labels."""

from collections.abc import Iterator

from pinnace.api.meta import Object
from pinnace.api.resources import PODS, REPLICATION_CONTROLLERS
from pinnace.controllers import replicaset
from pinnace.controllers.runtime import Action, Controller, World, owned_by

NOT_REPORTED = frozenset(("terminatingReplicas",))  # a field that only ReplicaSets have


def reconcile(rc: Object, world: World) -> Iterator[Action]:
    return replicaset.reconcile(rc, world, NOT_REPORTED)


CONTROLLER = Controller(
    name="replicationcontroller",
    source="replication-controller",
    primary=REPLICATION_CONTROLLERS,
    reconcile=reconcile,
    watches={PODS: owned_by(REPLICATION_CONTROLLERS, "ReplicationController")},
    coalesce_seconds=0.05,
)
