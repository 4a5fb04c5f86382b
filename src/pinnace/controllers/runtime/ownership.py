"""Who owns whom: children that a controller keeps, adopts (orphans that match its selector) or releases (no longer match)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pinnace.api import label_selectors, meta
from pinnace.api.meta import Object
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.selectors import NOTHING, Selector, SelectorError, from_label_selector
from pinnace.controllers.runtime.actions import Action, Adopt, Release
from pinnace.controllers.runtime.world import World


@dataclass(slots=True)
class Claim:
    """`kept` counts from now on (adopted ones included); `actions` make the references true."""

    kept: list[Object] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def selector_of(owner: Object) -> Selector:
    """The owner's label selector; NOTHING when it has none that can be read."""
    try:
        return from_label_selector(label_selectors.of(owner))
    except SelectorError:
        return NOTHING


def _anything(_: Object) -> bool:
    return True


def claim(
    owner: Object,
    gvr: GVR,
    world: World,
    *,
    adoptable: Callable[[Object], bool] = _anything,
    belongs: Callable[[Object], bool] = _anything,
    finalizer: str = "",
) -> Claim:
    """As upstream's ControllerRefManager: a terminating owner keeps what it has and neither adopts nor releases.

    `belongs` is what a child has to be besides selected; `adoptable`, what matters only for those that are not ours yet.
    `finalizer` comes with adoption and goes with release.
    """
    result, selector = Claim(), selector_of(owner)
    leaving = meta.is_terminating(owner)
    for child in world.children(gvr, owner):
        if selector.matches(meta.labels(child)) and belongs(child):
            result.kept.append(child)
        elif leaving or meta.is_terminating(child):
            continue
        else:
            result.actions.append(Release(child, owner, finalizer))
    if leaving:
        return result
    for orphan in world.orphans(gvr, meta.namespace(owner)):
        if not selector.matches(meta.labels(orphan)) or meta.is_terminating(orphan):
            continue
        if belongs(orphan) and adoptable(orphan):
            result.kept.append(orphan)
            result.actions.append(Adopt(orphan, owner, finalizer))
    return result
