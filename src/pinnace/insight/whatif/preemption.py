"""Which priority would make room for a pod: the scheduler takes pods of lower priority off a node where nothing but room is missing."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from pinnace.api import meta
from pinnace.api.core import pod_resources, pods
from pinnace.insight.commands import has_template, maker, patch
from pinnace.insight.findings import Object, shown
from pinnace.insight.whatif.nearest import Fit
from pinnace.insight.world import World

HIGHEST = 1_000_000_000  # of what users may give; above are the cluster's own


class Room(NamedTuple):
    node: str
    priority: int  # that is just enough
    victims: list[Object]
    classes: list[str]  # priority classes that do, the lowest first

    @property
    def text(self) -> str:
        names = shown([meta.key_text(one) for one in self.victims[:3]]) + (
            ", ..." if len(self.victims) > 3 else ""
        )
        which = f" (priority class {self.classes[0]})" if self.classes else ""
        return (
            f"it takes the place of {names} on {self.node} if its priority is at least {self.priority}{which}"
        )


def room(pod: Object, found: list[Fit], world: World) -> Room | None:
    """By the lowest priority; None where something other than room is in the way everywhere, or none is low enough."""
    if pod["spec"].get("preemptionPolicy") == "Never":
        return None
    ways = [one for fit in found if (one := _on(pod, fit, world)) is not None]
    return min(ways, key=lambda one: (one.priority, len(one.victims), one.node), default=None)


def _on(pod: Object, fit: Fit, world: World) -> Room | None:
    lacking = [one.kind for one in fit.obstacles]
    node = world.get("Node", "", fit.node)
    if (
        node is None
        or not lacking
        or not all(one.startswith("resource ") or one == "pods" for one in lacking)
    ):
        return None
    has, used = world.allocatable(node), dict(world.requested_on(fit.node))
    wanted, count = pod_resources.requests(pod), len(world.pods_on(fit.node))
    victims: list[Object] = []
    for one in sorted(world.pods_on(fit.node), key=pods.priority):
        if pods.priority(one) >= HIGHEST:
            return None
        victims.append(one)
        for resource, amount in pod_resources.requests(one).items():
            used[resource] = used.get(resource, Decimal(0)) - amount
        fits = all(amount <= has.get(resource, Decimal(0)) - used.get(resource, Decimal(0)) for resource, amount in wanted.items())  # fmt: skip
        if fits and count - len(victims) + 1 <= has.get("pods", Decimal(count + 1)):
            least = pods.priority(one) + 1
            return Room(fit.node, least, victims, list(_classes(least, world)))
    return None


def _classes(least: int, world: World) -> Iterator[str]:
    found = [one for one in world.every("PriorityClass") if least <= int(one.get("value", 0)) <= HIGHEST]
    for one in sorted(found, key=lambda one: (int(one.get("value", 0)), meta.name(one))):
        if one.get("preemptionPolicy") != "Never":
            yield meta.name(one)


def commands(pod: Object, way: Room, world: World) -> list[str]:
    made_by = maker(pod, world)
    if not way.classes or not has_template(made_by):
        return []
    return [patch(made_by, {"spec": {"template": {"spec": {"priorityClassName": way.classes[0]}}}})]
