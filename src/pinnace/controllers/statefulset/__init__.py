"""StatefulSet controller: pods with names, in order, each with claims of its own that outlive it.

`sync` is the pass; `identity` says who a pod is, `claims` what it keeps its data in, `slots` which pod is in which place,
`rolling` which ones are replaced by a new revision, `status` what is reported, `wording` what events say.
"""

from collections.abc import Iterable, Iterator
from functools import partial

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import (
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Adopt, Controller, World, claim, owned_by
from pinnace.controllers.statefulset import claims, identity
from pinnace.controllers.statefulset.sync import Pass


def reconcile(ss: Object, world: World) -> Iterator[Action]:
    revisions = claim(ss, CONTROLLER_REVISIONS, world)
    owned = claim(ss, PODS, world, belongs=partial(identity.is_member, ss))
    yield from (action for action in revisions.actions if isinstance(action, Adopt))
    yield from owned.actions
    yield from Pass(ss, world, owned.kept, revisions.kept).run()


def of_vanished_claim(old: Object | None, new: Object | None, world: World) -> Iterable[Key]:
    """A claim that is gone may be what a pod waited for: its successor can be made now."""
    if new is not None or old is None:
        return
    for ss in world.all(STATEFUL_SETS, meta.namespace(old)):
        for template in claims.templates(ss):
            if meta.name(old).startswith(f"{meta.name(template)}-{meta.name(ss)}-"):
                yield meta.key(ss)


CONTROLLER = Controller(
    name="statefulset",
    source="statefulset-controller",
    primary=STATEFUL_SETS,
    reconcile=reconcile,
    watches={
        PODS: owned_by(STATEFUL_SETS, "StatefulSet"),
        CONTROLLER_REVISIONS: owned_by(STATEFUL_SETS, "StatefulSet"),
        PERSISTENT_VOLUME_CLAIMS: of_vanished_claim,
    },
    coalesce_seconds=0.01,
)
