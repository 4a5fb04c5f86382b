"""A KWOK Stage, compiled: which objects it is for, how long it waits, and what it then does. Pure.

Facts are those of https://kwok.sigs.k8s.io/docs/user/stages-configuration/. Stages of pods and nodes are known; jq as far as
`apimachinery/jq/` goes.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import yaml

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery.gotemplate import Template, TemplateError, parse
from pinnace.apimachinery.jq import Filter, JqError, compile_query
from pinnace.apimachinery.times import parse_time
from pinnace.client.interface import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from pinnace.kubelet.simulated.stage_functions import KNOWN, Functions

KINDS = ("Pod", "Node")
PATCH_TYPES = {
    "json": JSON_PATCH,
    "merge": MERGE_PATCH,
    "strategic": STRATEGIC_MERGE_PATCH,
    "": STRATEGIC_MERGE_PATCH,
}


class StageError(ValueError):
    """The stage asks for something that is wrong, or not known here."""


class Condition(Protocol):
    def __call__(self, obj: Object) -> bool: ...


@dataclass(frozen=True, slots=True)
class Value:
    """A number that is given, or found in the object by a jq expression."""

    given: int | None
    query: Filter | None

    def found(self, obj: Object) -> list[Any]:
        return outputs(self.query, obj) or [] if self.query else []


@dataclass(frozen=True, slots=True)
class StagePatch:
    content_type: str
    subresource: str
    root: str
    template: Template

    def body(self, obj: Object, functions: Functions) -> Any:
        """What the template renders to; raises StageError."""
        try:
            text = self.template.render(obj, functions)
            rendered = yaml.load(text, _Loader)  # noqa: S506 - a safe loader that leaves times as strings
        except (TemplateError, yaml.YAMLError) as error:
            raise StageError(f"the template fails: {error}") from error
        if self.content_type == JSON_PATCH:
            return [_below(self.root, operation) for operation in rendered or ()]
        return {self.root: rendered} if self.root else rendered


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    kind: str
    conditions: tuple[Condition, ...]
    weight: Value
    delay: Value
    jitter: Value | None
    event: Mapping[str, str] | None
    finalizers: Mapping[str, Any] | None
    deletes: bool
    patches: tuple[StagePatch, ...]
    is_immediate: bool

    def matches(self, obj: Object) -> bool:
        return all(condition(obj) for condition in self.conditions)

    def wait(self, obj: Object, now: datetime, chance: random.Random) -> float:
        """Seconds from now until the stage is played."""
        least = _duration(self.delay, obj, now)
        if least is None:
            return 0.0
        most = _duration(self.jitter, obj, now) if self.jitter is not None else None
        if most is None:
            return max(0.0, least)
        return max(0.0, most if most <= least else chance.uniform(least, most))


def choose(stages: Sequence[Stage], obj: Object, chance: random.Random) -> Stage | None:
    """One of the stages that match, at random by weight; without any weight each is as likely."""
    found = [stage for stage in stages if stage.matches(obj)]
    if len(found) < 2:
        return found[0] if found else None
    weights = [_weight(stage.weight, obj) for stage in found]
    if all(weight is None for weight in weights):
        return chance.choice(found)
    known = [(stage, weight) for stage, weight in zip(found, weights, strict=True) if weight is not None]
    if not sum(weight for _, weight in known):
        return chance.choice([stage for stage, _ in known])
    return chance.choices([stage for stage, _ in known], [weight for _, weight in known])[0]


def compile_stage(obj: Object) -> Stage:
    """Raises StageError."""
    spec = obj["spec"]
    reference = spec["resourceRef"]
    kind, group = reference["kind"], reference.get("apiGroup") or "v1"
    if kind not in KINDS or group != "v1":
        raise StageError(f"spec.resourceRef: only v1 Pod and v1 Node are simulated here, not {group} {kind}")
    delay, steps = spec.get("delay") or {}, spec["next"]
    if steps.get("statusPatchAs"):
        raise StageError("spec.next.statusPatchAs: not available for Pod and Node, as in KWOK")
    jitter = None
    if "jitterDurationMilliseconds" in delay or "jitterDurationFrom" in delay:
        jitter = _value(
            delay.get("jitterDurationMilliseconds"),
            delay.get("jitterDurationFrom"),
            "spec.delay.jitterDurationFrom",
        )
    return Stage(
        name=meta.name(obj),
        kind=kind,
        conditions=_conditions(spec.get("selector")),
        weight=_value(spec.get("weight", 0), spec.get("weightFrom"), "spec.weightFrom"),
        delay=_value(delay.get("durationMilliseconds", 0), delay.get("durationFrom"), "spec.delay.durationFrom"),
        jitter=jitter,
        event=steps.get("event"),
        finalizers=steps.get("finalizers"),
        deletes=bool(steps.get("delete")),
        patches=_patches(steps),
        is_immediate=bool(spec.get("immediateNextStage")),
    )  # fmt: skip


def finalizers_after(current: Sequence[str], change: Mapping[str, Any]) -> list[str]:
    if change.get("empty"):
        return [one["value"] for one in change.get("add") or ()]
    gone = {one["value"] for one in change.get("remove") or ()}
    added = [one["value"] for one in change.get("add") or () if one["value"] not in current]
    return [*(one for one in current if one not in gone), *added]


# --- selector


def _conditions(selector: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    if selector is None:
        return (lambda _: False,)
    found: list[Condition] = []
    for field, read in (("matchLabels", meta.labels), ("matchAnnotations", meta.annotations)):
        if wanted := selector.get(field):
            found.append(lambda obj, wanted=wanted, read=read: wanted.items() <= read(obj).items())
    for number, one in enumerate(selector.get("matchExpressions") or ()):
        path = f"spec.selector.matchExpressions[{number}]"
        found.append(_cel(one["expression"], path) if one.get("expression") else _requirement(one, path))
    return tuple(found)


def _requirement(one: Mapping[str, Any], path: str) -> Condition:
    query = _query(one.get("key", ""), f"{path}.key")
    operator, values = one.get("operator"), list(one.get("values") or ())
    if operator in ("In", "NotIn"):
        if not values:
            raise StageError(f"{path}.values: for 'in', 'notin' operators, values set can't be empty")
        return lambda obj: any(map(_among(values), outputs(query, obj) or ())) == (operator == "In")
    if operator not in ("Exists", "DoesNotExist"):
        raise StageError(f'{path}.operator: operator "{operator}" is not supported')
    if values:
        raise StageError(f"{path}.values: values set must be empty for exists and does not exist")
    return lambda obj: any(v is not None for v in outputs(query, obj) or ()) == (operator == "Exists")


def _among(values: list[str]) -> Any:
    def judge(value: Any) -> bool:
        if isinstance(value, bool):
            return ("true" if value else "false") in values
        return str(value) in values if isinstance(value, (str, int)) else False

    return judge


def outputs(query: Filter, obj: Object) -> list[Any] | None:
    """None when the expression fails on this object, which counts as nothing found."""
    try:
        return list(query(obj))
    except JqError:
        return None


def _query(source: str, path: str) -> Filter:
    try:
        return compile_query(source)
    except JqError as error:
        raise StageError(f"{path}: {error}") from None


def _cel(source: str, path: str) -> Condition:
    from pinnace.apimachinery import cel

    try:
        program = cel.Environment({"self": cel.DYN}).compile(source, result=cel.BOOL)
    except (cel.CompileError, cel.ResultTypeError) as error:
        raise StageError(f"{path}.expression: {error}") from None

    def judge(obj: Object) -> bool:
        try:
            return program.evaluate({"self": obj}, cel.Budget(1_000_000)) is True
        except (cel.EvaluationError, cel.BudgetExceeded):
            return False

    return judge


# --- numbers and durations


def _value(given: int | None, source: Mapping[str, str] | None, path: str) -> Value:
    expression = (source or {}).get("expressionFrom")
    return Value(given, _query(expression, path) if expression else None)


def _weight(value: Value, obj: Object) -> int | None:
    if value.query is None:
        return value.given
    found = value.found(obj)
    if not found or found[0] is None:
        return value.given
    try:
        return int(found[0])
    except (TypeError, ValueError):
        return None


def _duration(value: Value, obj: Object, now: datetime) -> float | None:
    given = None if value.given is None else value.given / 1000
    if value.query is None:
        return given
    found = value.found(obj)
    if not found or found[0] is None:
        return given
    if not isinstance(found[0], str) or not found[0]:
        return None
    try:
        return (parse_time(found[0]) - now).total_seconds()
    except ValueError:
        return _go_duration(found[0])


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def _go_duration(text: str) -> float | None:
    """`1m30s`; None for what is none."""
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if not rest or _PART.sub("", rest):
        return None
    return sign * sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(rest))


# --- patches


def _patches(steps: Mapping[str, Any]) -> tuple[StagePatch, ...]:
    found = []
    if text := steps.get("statusTemplate"):
        found.append(
            StagePatch(STRATEGIC_MERGE_PATCH, "status", "status", _template(text, "spec.next.statusTemplate"))
        )
    for number, one in enumerate(steps.get("patches") or ()):
        path = f"spec.next.patches[{number}]"
        if one.get("impersonation"):
            raise StageError(f"{path}.impersonation: not available for Pod and Node, as in KWOK")
        template = _template(one.get("template") or "", f"{path}.template")
        kind = PATCH_TYPES[one.get("type") or ""]
        found.append(StagePatch(kind, one.get("subresource") or "", one.get("root") or "", template))
    return tuple(found)


def _template(text: str, path: str) -> Template:
    try:
        return parse(text.strip(), KNOWN)
    except TemplateError as error:
        raise StageError(f"{path}: {error}") from None


def _below(root: str, operation: dict[str, Any]) -> dict[str, Any]:
    return {**operation, "path": f"/{root}{operation['path']}"} if root else operation


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as JSON has it: what looks like a time stays a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
