"""`create poddisruptionbudget` and `create priorityclass`: manifests from flags."""

import re
from collections.abc import Iterable
from typing import Any

from pinnace.apimachinery.selectors import Requirement, SelectorError
from pinnace.cli.commands.create_generators import the_name
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values

Object = dict[str, Any]
_COUNT = re.compile(r"[0-9]+%?\Z")


def disruption_budget(flags: Values, arguments: list[str]) -> Iterable[Object]:
    name = the_name(arguments)
    if not flags["selector"]:
        raise CliError("a selector must be specified")
    given = [flag for flag in ("min-available", "max-unavailable") if flags[flag]]
    if not given:
        raise CliError("one of min-available or max-unavailable must be specified")
    if len(given) == 2:
        raise CliError("min-available and max-unavailable cannot be both specified")
    text = flags[given[0]]
    if not _COUNT.match(text):
        raise CliError(f"invalid format specified for {given[0]}")
    field = "minAvailable" if given[0] == "min-available" else "maxUnavailable"
    count = text if text.endswith("%") else int(text)
    yield {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {field: count, "selector": _label_selector(flags["selector"])},
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    }  # fmt: skip


def _label_selector(text: str) -> Object:
    from pinnace.api import selector_text

    try:
        requirements = selector_text.parse(text).requirements
    except SelectorError as error:
        raise CliError(f'couldn\'t parse the selector string "{text}": {error}') from error
    if unsupported := [one.operator.lower() for one in requirements if one.operator in ("Gt", "Lt")]:
        raise CliError(f'"{unsupported[0]}" isn\'t supported in label selectors')
    alike = {one.key: next(iter(one.values)) for one in requirements if _is_equality(one)}
    others = [
        {"key": one.key, "operator": one.operator, **({"values": sorted(one.values)} if one.values else {})}
        for one in requirements
        if not _is_equality(one)
    ]
    return {**({"matchLabels": alike} if alike else {}), **({"matchExpressions": others} if others else {})}


def _is_equality(requirement: Requirement) -> bool:
    return requirement.operator == "In" and len(requirement.values) == 1


def priority_class(flags: Values, arguments: list[str]) -> Iterable[Object]:
    manifest: Object = {
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": the_name(arguments)},
        "value": flags["value"], "preemptionPolicy": flags["preemption-policy"],
    }  # fmt: skip
    if flags["global-default"]:
        manifest["globalDefault"] = True
    if flags["description"]:
        manifest["description"] = flags["description"]
    yield manifest
