"""The nodes by how little it would take for a pod to fit there."""

from typing import NamedTuple

from pinnace.api import meta
from pinnace.insight.findings import Object, shown
from pinnace.insight.whatif.neighbours import Neighbours
from pinnace.insight.whatif.obstacles import Obstacle, alone
from pinnace.insight.whatif.volumes import of_volumes
from pinnace.insight.world import World

MOST = 20  # different pods that are computed in one run


class Fit(NamedTuple):
    node: str
    obstacles: tuple[Obstacle, ...]

    @property
    def cost(self) -> float:
        """What one change mends counts once."""
        return sum({one.mend: one.cost for one in self.obstacles}.values())

    @property
    def mends(self) -> str:
        return " and ".join(dict.fromkeys(one.mend for one in self.obstacles))


def fits(pod: Object, world: World) -> list[Fit]:
    """Every node, the nearest first; empty where nodes or pods may not be read. Pods of one template share the answer."""
    if not world.can_list("Node") or not world.can_list("Pod"):
        return []
    key = _likeness(pod)
    if key not in world.fits:
        if len(world.fits) >= MOST:
            return []  # in a cluster where so much is pending, one answer is not the next thing to read
        neighbours = Neighbours(pod, world)
        every = [
            Fit(meta.name(node), (*alone(pod, node, world), *neighbours.obstacles(node), *of_volumes(pod, node, world)))
            for node in world.every("Node")
        ]  # fmt: skip
        world.fits[key] = sorted(every, key=lambda one: (one.cost, one.node))
    found: list[Fit] = world.fits[key]
    return found


def _likeness(pod: Object) -> tuple[str, ...]:
    """Pods that one controller made from one template are alike, unless their claims differ."""
    owner = meta.controller_of(pod)
    if owner is None or owner["kind"] not in ("ReplicaSet", "ReplicationController", "Job"):
        return (meta.uid(pod) or meta.key_text(pod),)
    return owner.get("uid") or owner["name"], str(sorted(meta.labels(pod).items()))


def sentences(found: list[Fit], most: int = 3) -> list[str]:
    """`it fits on n1, n2 if the taint x is tolerated`: the cheapest first, what nodes have alike in one sentence."""
    alike: dict[str, list[str]] = {}
    for one in found:
        alike.setdefault(one.mends, []).append(one.node)
    texts = []
    for mends, names in list(alike.items())[:most]:
        where = shown(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        texts.append(
            f"it fits on {where} if {mends}"
            if mends
            else f"nothing that is computed here keeps it off {where}: {'it' if len(names) == 1 else 'they'} may have become free, or the scheduler knows more"
        )
    return texts
