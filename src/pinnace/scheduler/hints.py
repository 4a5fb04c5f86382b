"""Queueing hints of a profile: for each plugin, whether an event helps a pod that it refused.

Filters that look at one node at a time are simply asked about the node of the event; the others say so themselves
(`may_help`), and without a word of theirs every event that they named counts.
"""

from typing import Any

from pinnace.scheduler.framework import PodInfo
from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.profiles import Filter, Profile
from pinnace.scheduler.waking import Hint


def hints_of(profile: Profile) -> dict[str, Hint]:
    found: dict[str, Hint] = {}
    for plugin in profile.filters:
        known, hint = found.get(plugin.name), _hint(plugin)
        # Two filters of one name (what the configuration adds to node affinity): an event of either kind counts.
        found[plugin.name] = hint if known is None else Hint((*known.kinds, *hint.kinds))
    return found


def _hint(plugin: Filter) -> Hint:
    if plugin.reads == "nodes":
        return Hint(plugin.requeue_on, lambda pod, what: _node_fits(plugin, pod, what))
    if plugin.reads == "usage":
        return Hint(plugin.requeue_on, lambda pod, what: _usage_fits(plugin, pod, what))
    return Hint(plugin.requeue_on, getattr(plugin, "may_help", None), is_shared=False)


def _node_fits(plugin: Any, pod: PodInfo, what: Happening) -> bool:
    if not what.node or what.nodes is None:
        return True  # no event of one node: nothing is known
    return what.row is not None and bool(plugin.filter(pod, what.nodes)[what.row])


def _usage_fits(plugin: Any, pod: PodInfo, what: Happening) -> bool:
    if not what.node:
        return True
    usage = what.usage_for(pod)
    return usage is not None and bool(plugin.filter(pod, usage)[0])
