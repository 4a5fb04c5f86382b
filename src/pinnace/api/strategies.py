"""Which strategy serves which resource: one row each, its module imported at first use so that start-up stays fast.

A resource without a row gets the generic `Strategy`.
"""

from functools import cache
from importlib import import_module

from pinnace.api import resources as r
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.gvk import GVR

_CLASSES: dict[GVR, str] = {
    r.PODS: "core.pod_strategy:PodStrategy",
}


@cache
def strategy_for(gvr: GVR) -> Strategy:
    """The one strategy object of a resource of the table; raises KeyError for any other."""
    resource = r.BY_GVR[gvr]
    where = _CLASSES.get(gvr)
    if where is None:
        return Strategy(resource)
    module, _, name = where.partition(":")
    strategy: Strategy = getattr(import_module(f"pinnace.api.{module}"), name)(resource)
    return strategy
