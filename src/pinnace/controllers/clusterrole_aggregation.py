"""ClusterRole aggregation: a ClusterRole with an aggregationRule has the rules of all roles that its selectors match."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CLUSTER_ROLES
from pinnace.apimachinery.selectors import from_label_selector
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Update, World


def reconcile(role: Object, world: World) -> Iterator[Action]:
    if not role.get("aggregationRule") or meta.is_terminating(role):
        return
    rules = summed_up(role, world.all(CLUSTER_ROLES))
    if rules != (role.get("rules") or []):
        yield Update({**role, "rules": rules})


def summed_up(role: Object, roles: list[Object]) -> list[Object]:
    """Selector by selector, the matching roles in the order of their names; each rule once."""
    rules: list[Object] = []
    for wanted in role["aggregationRule"].get("clusterRoleSelectors") or ():
        selector = from_label_selector(wanted)
        matching = (each for each in roles if selector.matches(each["metadata"].get("labels")))
        for source in sorted(matching, key=meta.name):
            if meta.name(source) != meta.name(role):
                rules += [rule for rule in source.get("rules") or () if rule not in rules]
    return rules


def aggregating(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Any role may be a source of any that aggregates."""
    for role in world.all(CLUSTER_ROLES):
        if role.get("aggregationRule"):
            yield meta.key(role)


def aggregates(old: Object | None, new: Object) -> bool:
    return bool(new.get("aggregationRule"))


CONTROLLER = Controller(
    name="clusterrole-aggregation",
    source="clusterrole-aggregation-controller",
    primary=CLUSTER_ROLES,
    reconcile=reconcile,
    concerns=aggregates,
    watches={CLUSTER_ROLES: aggregating},
    workers=1,
)
