"""Which plugins run at which extension point: the default set, changed by what a profile enables and disables.

As upstream: what is enabled at an extension point counts before `multiPoint`, and that before the defaults; `*` disables all
that were not enabled by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pinnace.scheduler.settings import Points

PREFILTER = ("preFilter", "filter")
SCORING = ("preScore", "score")

# Default plugins of v1.36 in their order: extension points, weight.
DEFAULTS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "SchedulingGates": (("preEnqueue",), 0),
    "PrioritySort": (("queueSort",), 0),
    "NodeUnschedulable": (("filter",), 0),
    "NodeName": (("filter",), 0),
    "TaintToleration": (("filter", *SCORING), 3),
    "NodeAffinity": ((*PREFILTER, *SCORING), 2),
    "NodePorts": (PREFILTER, 0),
    "NodeResourcesFit": ((*PREFILTER, *SCORING), 1),
    "VolumeRestrictions": (PREFILTER, 0),
    "NodeVolumeLimits": (PREFILTER, 0),
    "VolumeBinding": ((*PREFILTER, *SCORING, "reserve", "preBind"), 0),
    "VolumeZone": (PREFILTER, 0),
    "PodTopologySpread": ((*PREFILTER, *SCORING), 2),
    "InterPodAffinity": ((*PREFILTER, *SCORING), 2),
    "DynamicResources": (("preEnqueue", *PREFILTER, "postFilter", "score", "reserve", "preBind"), 2),
    "DefaultPreemption": (("preEnqueue", "postFilter"), 0),
    "NodeResourcesBalancedAllocation": (SCORING, 1),
    "ImageLocality": (("score",), 1),
    "DefaultBinder": (("bind",), 0),
}
POINTS = (
    "preEnqueue", "queueSort", "preFilter", "filter", "postFilter", "preScore", "score", "reserve", "permit",
    "preBind", "bind", "postBind",
)  # fmt: skip
MULTI_POINT = "multiPoint"


class PluginError(ValueError):
    """A profile that cannot be built, in upstream's words."""


@dataclass(frozen=True, slots=True)
class PluginSet:
    enabled: tuple[tuple[str, int], ...] = ()  # with weights, 0 where none is given
    disabled: frozenset[str] = frozenset()


def resolve(sets: Mapping[str, PluginSet]) -> Points:
    """Which plugins run where. Raises PluginError."""
    multi = _merged(
        tuple((name, weight) for name, (_, weight) in DEFAULTS.items()), sets.get(MULTI_POINT, PluginSet())
    )
    _must_exist((name for name, _ in multi), "")
    return {point: _at(point, sets.get(point, PluginSet()), multi) for point in POINTS}


def _merged(defaults: Sequence[tuple[str, int]], custom: PluginSet) -> tuple[tuple[str, int], ...]:
    enabled, replaced = dict(custom.enabled), set()
    found: list[tuple[str, int]] = []
    for name, weight in () if "*" in custom.disabled else defaults:
        if name in custom.disabled:
            continue
        if name in enabled:
            replaced.add(name)
        found.append((name, enabled.get(name, weight)))
    return (*found, *((name, weight) for name, weight in custom.enabled if name not in replaced))


def _at(point: str, own: PluginSet, multi: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    kind = f"{point[0].upper()}{point[1:]}Plugin"
    _must_exist((name for name, _ in own.enabled), kind)
    names = [name for name, _ in own.enabled]
    for name in names:
        if point not in DEFAULTS[name][0]:
            raise PluginError(f'plugin "{name}" does not extend {kind} plugin')
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise PluginError(f'plugin "{twice}" already registered as "{kind}"')
    if "*" in own.disabled:
        return _weighed(own.enabled)
    spread: list[tuple[str, int]] = []
    overridden: set[str] = set()
    for name, weight in multi:
        if point not in DEFAULTS[name][0] or name in own.disabled:
            continue
        if name in names:
            overridden.add(name)
        elif any(name == other for other, _ in spread):
            raise PluginError(f'plugin "{name}" already registered as "{kind}"')
        else:
            spread.append((name, weight))
    first = [entry for entry in own.enabled if entry[0] in overridden]
    last = [entry for entry in own.enabled if entry[0] not in overridden]
    return _weighed([*first, *spread, *last])


def _weighed(plugins: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple((name, weight or 1) for name, weight in plugins)


def _must_exist(names: Iterable[str], kind: str) -> None:
    for name in names:
        if name not in DEFAULTS:
            raise PluginError(f'{kind or "plugin"} "{name}" does not exist')


def default_points() -> Points:
    return resolve({})
