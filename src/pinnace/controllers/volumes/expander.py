"""persistentvolume-expander: says of a claim that grew who has to expand its volume.

No kind of volume is expanded by this process itself: CSI drivers have a resizer (their own, or `csi`), `local_path` is its own.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding
from pinnace.api.meta import Object
from pinnace.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from pinnace.apimachinery import quantity
from pinnace.controllers.runtime import Action, Controller, Emit, World

WAITING = "waiting for an external controller to expand this PVC"


def reconcile(claim: Object, world: World) -> Iterator[Action]:
    if not wants_to_grow(claim):
        return
    volume = world.get(PERSISTENT_VOLUMES, claim["spec"]["volumeName"])
    if volume is not None and (volume["spec"].get("claimRef") or {}).get("uid") == meta.uid(claim):
        yield Emit(claim, "Normal", "ExternalExpanding", WAITING)


def wants_to_grow(claim: Object) -> bool:
    """A bound claim that asks for more than it has."""
    status = claim.get("status") or {}
    has = (status.get("capacity") or {}).get("storage")
    return (
        status.get("phase") == "Bound" and has is not None and binding.requested(claim) > quantity.parse(has)
    )


def _grew(old: Object | None, new: Object) -> bool:
    return wants_to_grow(new) and (old is None or binding.requested(old) != binding.requested(new))


CONTROLLER = Controller(
    name="persistentvolume-expander",
    source="volume_expand",
    primary=PERSISTENT_VOLUME_CLAIMS,
    reconcile=reconcile,
    reads=(PERSISTENT_VOLUMES,),
    concerns=_grew,
)
