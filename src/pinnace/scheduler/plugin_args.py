"""Arguments of plugins (`pluginConfig`): one entry per plugin that takes any, with its fields, checks and defaults."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.scheduling_validation import validate_node_affinity
from pinnace.apimachinery.errors import Cause
from pinnace.scheduler.pod_info import CPU, MEMORY
from pinnace.scheduler.pod_parsing import node_term, node_terms
from pinnace.scheduler.settings import (
    SYSTEM_SPREAD,
    DefaultSpread,
    FitArgs,
    InterPodAffinityArgs,
    NodeAffinityArgs,
    PluginArgs,
    PreemptionArgs,
    SpreadArgs,
)
from pinnace.scheduler.strict_decoding import Shape

Object = Mapping[str, Any]
Found = Iterator[Cause]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")

_RESOURCES: Shape = [{"name": "string", "weight": "int64"}]
_SHAPE: Shape = [{"utilization": "int32", "score": "int32"}]
_REQUIREMENTS: Shape = [{"key": "string", "operator": "string", "values": ["string"]}]
_NODE_TERM: Shape = {"matchExpressions": _REQUIREMENTS, "matchFields": _REQUIREMENTS}
_SPREAD: Shape = [
    {
        "maxSkew": "int32", "topologyKey": "string", "whenUnsatisfiable": "string", "labelSelector": "any",
        "minDomains": "int32", "nodeAffinityPolicy": "string", "nodeTaintsPolicy": "string",
        "matchLabelKeys": ["string"],
    }
]  # fmt: skip

SHAPES: Mapping[str, Shape] = {
    "DefaultPreemption": {"minCandidateNodesPercentage": "int32", "minCandidateNodesAbsolute": "int32"},
    "DynamicResources": {"filterTimeout": "Duration", "bindingTimeout": "Duration"},
    "InterPodAffinity": {"hardPodAffinityWeight": "int32", "ignorePreferredTermsOfExistingPods": "bool"},
    "NodeAffinity": {
        "addedAffinity": {
            REQUIRED: {"nodeSelectorTerms": [_NODE_TERM]},
            PREFERRED: [{"weight": "int32", "preference": _NODE_TERM}],
        }
    },
    "NodeResourcesBalancedAllocation": {"resources": _RESOURCES},
    "NodeResourcesFit": {
        "ignoredResources": ["string"],
        "ignoredResourceGroups": ["string"],
        "scoringStrategy": {"type": "string", "resources": _RESOURCES, "requestedToCapacityRatio": {"shape": _SHAPE}},
    },
    "PodTopologySpread": {"defaultConstraints": _SPREAD, "defaultingType": "string"},
    "VolumeBinding": {"bindTimeoutSeconds": "int64", "shape": _SHAPE},
}  # fmt: skip


def apply(settings: PluginArgs, plugin: str, args: Object) -> PluginArgs:
    """The settings with these arguments, which `validate` has found right."""
    return dataclasses.replace(settings, **_READERS[plugin](args))


def validate(plugin: str, args: Object, path: str) -> Found:
    return _CHECKS[plugin](args, path)


# --- DefaultPreemption


def _preemption(args: Object) -> dict[str, Any]:
    percentage, absolute = _candidates(args)
    return {"preemption": PreemptionArgs(percentage, absolute)}


def _candidates(args: Object) -> tuple[int, int]:
    percentage, absolute = args.get("minCandidateNodesPercentage"), args.get("minCandidateNodesAbsolute")
    return 10 if percentage is None else percentage, 100 if absolute is None else absolute


def _check_preemption(args: Object, path: str) -> Found:
    percentage, absolute = _candidates(args)
    one, other = "minCandidateNodesPercentage", "minCandidateNodesAbsolute"
    if not 0 <= percentage <= 100:
        yield fields.invalid(f"{path}.{one}", percentage, "not in valid range [0, 100]")
    if absolute < 0:
        yield fields.invalid(f"{path}.{other}", absolute, "not in valid range [0, inf)")
    if not percentage and not absolute:
        yield fields.invalid(f"{path}.{one}", percentage, f"cannot be zero at the same time as {other}")
        yield fields.invalid(f"{path}.{other}", absolute, f"cannot be zero at the same time as {one}")


# --- InterPodAffinity


def _weight(args: Object) -> int:
    weight = args.get("hardPodAffinityWeight")
    return 1 if weight is None else int(weight)


def _near(args: Object) -> dict[str, Any]:
    ignores = bool(args.get("ignorePreferredTermsOfExistingPods"))
    return {"inter_pod_affinity": InterPodAffinityArgs(_weight(args), ignores)}


def _check_near(args: Object, path: str) -> Found:
    if not 0 <= _weight(args) <= 100:
        yield fields.invalid(f"{path}.hardPodAffinityWeight", _weight(args), "not in valid range [0, 100]")


# --- NodeAffinity


def _added(args: Object) -> dict[str, Any]:
    affinity = args.get("addedAffinity") or {}
    required = affinity.get(REQUIRED)
    return {
        "node_affinity": NodeAffinityArgs(
            None if required is None else node_terms(required.get("nodeSelectorTerms") or ()),
            tuple(node_term(one.get("preference") or {}, one.get("weight") or 0) for one in affinity.get(PREFERRED) or ()),
        )
    }  # fmt: skip


def _check_added(args: Object, path: str) -> Found:
    yield from validate_node_affinity(args.get("addedAffinity") or {}, f"{path}.addedAffinity")


# --- resources


def _weighed(resources: Sequence[Object] | None) -> tuple[tuple[str, int], ...]:
    if not resources:
        return ((CPU, 1), (MEMORY, 1))
    return tuple((one.get("name") or "", one.get("weight") or 1) for one in resources)


def _balance(args: Object) -> dict[str, Any]:
    return {"balanced_resources": tuple(name for name, _ in _weighed(args.get("resources")))}


def _check_balance(args: Object, path: str) -> Found:
    seen: set[str] = set()
    for position, (name, weight) in enumerate(_weighed(args.get("resources"))):
        here = f"{path}.resources[{position}]"
        if name in seen:
            yield fields.duplicate(f"{here}.name", name)
        if weight != 1:
            yield fields.invalid(f"{here}.weight", weight, "must be 1")
        seen.add(name)


def _fit(args: Object) -> dict[str, Any]:
    strategy = args.get("scoringStrategy") or {}
    shape = (strategy.get("requestedToCapacityRatio") or {}).get("shape") or ()
    return {
        "fit": FitArgs(
            frozenset(args.get("ignoredResources") or ()),
            frozenset(args.get("ignoredResourceGroups") or ()),
            strategy.get("type") or "LeastAllocated",
            _weighed(strategy.get("resources")),
            tuple((point.get("utilization") or 0, point.get("score") or 0) for point in shape),
        )
    }


def _check_fit(args: Object, path: str) -> Found:
    for position, name in enumerate(args.get("ignoredResources") or ()):
        yield from fields.all_invalid(
            f"{path}.ignoredResources[{position}]", name, names.qualified_name(name)
        )
    for position, group in enumerate(args.get("ignoredResourceGroups") or ()):
        here = f"{path}.ignoredResourceGroups[{position}]"
        if "/" in group:
            yield fields.invalid(here, group, "resource group name can't contain '/'")
        yield from fields.all_invalid(here, group, names.qualified_name(group))
    strategy, here = args.get("scoringStrategy") or {}, f"{path}.scoringStrategy"
    kind = strategy.get("type") or "LeastAllocated"
    if kind not in STRATEGIES:
        yield fields.not_supported(f"{here}.type", kind, STRATEGIES)
    for position, (name, weight) in enumerate(_weighed(strategy.get("resources"))):
        if not 0 < weight <= 100:
            why = f"resource weight of {name} not in valid range (0, 100]"
            yield fields.invalid(f"{here}.resources[{position}].weight", weight, why)
    yield from _check_ratio(
        strategy.get("requestedToCapacityRatio"), kind, f"{here}.requestedToCapacityRatio"
    )


def _check_ratio(ratio: Object | None, kind: str, path: str) -> Found:
    if kind != "RequestedToCapacityRatio":
        if ratio is not None:
            yield fields.forbidden(path, "must be nil when type is not RequestedToCapacityRatio")
    elif ratio is None:
        yield fields.required(path, "must be specified when type is RequestedToCapacityRatio")
    else:
        yield from _check_shape(ratio.get("shape") or (), f"{path}.shape")


def _check_shape(shape: Sequence[Object], path: str) -> Found:
    if not shape:
        yield fields.required(path, "at least one point must be specified")
    points = [(point.get("utilization") or 0, point.get("score") or 0) for point in shape]
    for position in range(1, len(points)):
        if points[position - 1][0] >= points[position][0]:
            why = "values must be sorted in increasing order"
            yield fields.invalid(f"{path}[{position}].utilization", points[position][0], why)
            break
    for position, (utilization, score) in enumerate(points):
        if not 0 <= utilization <= 100:
            yield fields.invalid(
                f"{path}[{position}].utilization", utilization, "not in valid range [0, 100]"
            )
        if not 0 <= score <= 10:
            yield fields.invalid(f"{path}[{position}].score", score, "not in valid range [0, 10]")


# --- PodTopologySpread


def _spread(args: Object) -> dict[str, Any]:
    if (args.get("defaultingType") or "System") == "System":
        return {"spread": SpreadArgs(is_system=True, defaults=SYSTEM_SPREAD)}
    defaults = tuple(
        DefaultSpread(
            one["topologyKey"], one["maxSkew"], one["whenUnsatisfiable"] == "DoNotSchedule",
            one.get("minDomains") or 1, one.get("nodeAffinityPolicy", "Honor") == "Honor",
            one.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )
        for one in args.get("defaultConstraints") or ()
    )  # fmt: skip
    return {"spread": SpreadArgs(is_system=False, defaults=defaults)}


def _check_spread(args: Object, path: str) -> Found:
    kind, constraints = args.get("defaultingType") or "System", args.get("defaultConstraints") or ()
    if kind not in ("System", "List"):
        yield fields.not_supported(f"{path}.defaultingType", kind, ("System", "List"))
    elif kind == "System" and constraints:
        yield fields.invalid(f"{path}.defaultingType", kind, "when .defaultConstraints are not empty")
    seen: set[tuple[str, str]] = set()
    for position, one in enumerate(constraints):
        here = f"{path}.defaultConstraints[{position}]"
        key, when = one.get("topologyKey") or "", one.get("whenUnsatisfiable") or ""
        if (one.get("maxSkew") or 0) <= 0:
            yield fields.invalid(f"{here}.maxSkew", one.get("maxSkew") or 0, "not in valid range (0, inf)")
        if not key:
            yield fields.required(f"{here}.topologyKey", "can not be empty")
        yield from fields.all_invalid(f"{here}.topologyKey", key, names.qualified_name(key) if key else ())
        if not when:
            yield fields.required(f"{here}.whenUnsatisfiable", "can not be empty")
        elif when not in ("DoNotSchedule", "ScheduleAnyway"):
            yield fields.not_supported(f"{here}.whenUnsatisfiable", when, ("DoNotSchedule", "ScheduleAnyway"))
        if one.get("labelSelector") is not None:
            why = "constraint must not define a selector, as they deduced for each pod"
            yield fields.forbidden(f"{here}.labelSelector", why)
        if one.get("matchLabelKeys"):
            yield fields.forbidden(f"{here}.matchLabelKeys", "not supported in default constraints")
        if (key, when) in seen:
            yield fields.duplicate(here, f"{{{key}, {when}}}")
        seen.add((key, when))


# --- others


def _volumes(args: Object) -> dict[str, Any]:
    seconds = args.get("bindTimeoutSeconds")
    return {"volume_bind_timeout_seconds": 600 if seconds is None else seconds}


def _check_volumes(args: Object, path: str) -> Found:
    seconds = args.get("bindTimeoutSeconds") or 0
    if seconds < 0:
        why = "invalid BindTimeoutSeconds, should not be a negative value"
        yield fields.invalid(f"{path}.bindTimeoutSeconds", seconds, why)
    if args.get("shape") is not None:
        why = "unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring"
        yield fields.invalid(f"{path}.shape", args["shape"], why)


def _check_claims(args: Object, path: str) -> Found:
    for field in ("filterTimeout", "bindingTimeout"):
        if args.get(field) is not None:
            yield fields.forbidden(f"{path}.{field}", "not supported by this scheduler")


_READERS: Mapping[str, Callable[[Object], dict[str, Any]]] = {
    "DefaultPreemption": _preemption, "DynamicResources": lambda args: {}, "InterPodAffinity": _near,
    "NodeAffinity": _added, "NodeResourcesBalancedAllocation": _balance, "NodeResourcesFit": _fit,
    "PodTopologySpread": _spread, "VolumeBinding": _volumes,
}  # fmt: skip
_CHECKS: Mapping[str, Callable[[Object, str], Found]] = {
    "DefaultPreemption": _check_preemption, "DynamicResources": _check_claims, "InterPodAffinity": _check_near,
    "NodeAffinity": _check_added, "NodeResourcesBalancedAllocation": _check_balance, "NodeResourcesFit": _check_fit,
    "PodTopologySpread": _check_spread, "VolumeBinding": _check_volumes,
}  # fmt: skip
