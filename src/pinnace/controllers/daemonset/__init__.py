"""DaemonSet controller: one pod of the template on every node that is eligible.

`placement` decides about nodes, `history` keeps revisions, `rolling` replaces pods of older templates, `sync` is the pass.
"""

from collections.abc import Iterable, Iterator

from pinnace.api import meta
from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from pinnace.client.informer import Key
from pinnace.controllers.daemonset.sync import Pass
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Emit,
    World,
    claim,
    owned_by,
    selector_of,
)


def reconcile(ds: Object, world: World) -> Iterator[Action]:
    if selector_of(ds).is_everything:
        message = "This daemon set is selecting all pods. A non-empty selector is required."
        yield Emit(ds, "Warning", "SelectingAll", message)
        return
    if meta.is_terminating(ds):
        return
    revisions = claim(ds, CONTROLLER_REVISIONS, world)
    owned = claim(ds, PODS, world)
    yield from revisions.actions
    yield from owned.actions
    yield from Pass(ds, world, owned.kept, revisions.kept).run()


def all_sets(old: Object | None, new: Object | None, world: World) -> Iterable[Key]:
    """Every set has an opinion on a node that came, went, or changed in what decides eligibility."""
    if old is not None and new is not None and _decisive(old) == _decisive(new):
        return []
    return [meta.key(ds) for ds in world.all(DAEMON_SETS)]


def _decisive(node: Object) -> tuple[object, ...]:
    return meta.labels(node), nodes.taints(node), nodes.is_unschedulable(node)


CONTROLLER = Controller(
    name="daemonset",
    source="daemonset-controller",
    primary=DAEMON_SETS,
    reconcile=reconcile,
    watches={
        PODS: owned_by(DAEMON_SETS, "DaemonSet"),
        CONTROLLER_REVISIONS: owned_by(DAEMON_SETS, "DaemonSet"),
        NODES: all_sets,
    },
    coalesce_seconds=0.05,
)
