"""The rules of a structural schema (`x-kubernetes-validations`): compiled once, evaluated for every object.

A rule sees its value as `self`, and as `oldSelf` what stood there before, where the two can be told to belong together. Rules
that do not look back are told as warnings when their value has not changed (ratcheting).
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinnace.api import fields
from pinnace.api.apiextensions.rule_paths import normalized
from pinnace.api.apiextensions.values import ABSENT, NO_PATH, correlated, key_of
from pinnace.apimachinery.copies import same
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.structural.node import Structural

if TYPE_CHECKING:
    from pinnace.apimachinery.cel import Budget, Program, Type

Raw = dict[str, Any]
_LONGEST_MESSAGE = 5 * 1024
_NO_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


@dataclass(frozen=True, slots=True)
class Rule:
    """`error` stands in place of a program that does not compile; likewise for the message."""

    raw: Raw
    program: "Program | None"
    error: str = ""
    message_program: "Program | None" = None
    message_error: str = ""
    uses_old: bool = False
    path: str = ""

    @property
    def is_optional(self) -> bool:
        """Whether `oldSelf` is an optional, so that the rule also applies to new values."""
        return bool(self.raw.get("optionalOldSelf"))

    @property
    def text(self) -> str:
        """How messages about the rule itself name it."""
        return str(self.raw.get("message") or self.raw["rule"]).strip()


class Stop(Exception):
    """No further rule is to be evaluated."""


def type_of(node: Structural) -> "Type | None":
    from pinnace.apimachinery.cel import type_of_structural

    return type_of_structural(node.raw, is_root=node.is_root)


def compile_rules(node: Structural) -> list[Rule]:
    """Of the node itself, not of those below. The type of the node must be known."""
    kind = type_of(node)
    if kind is None:
        return []
    return [_compile(node, kind, raw) for raw in node.raw.get("x-kubernetes-validations") or ()]


def _compile(node: Structural, kind: "Type", raw: Raw) -> Rule:
    from pinnace.apimachinery.cel import BOOL, STRING, CompileError, Environment, ResultTypeError, optional_of

    old = optional_of(kind) if raw.get("optionalOldSelf") else kind
    environment = Environment({"self": kind, "oldSelf": old})
    program = message = None
    error = message_error = ""
    try:
        program = environment.compile(raw["rule"], BOOL)
    except ResultTypeError:
        error = "cel expression must evaluate to a bool"
    except CompileError as failure:
        error = f"compilation failed: {failure}"
    if raw.get("messageExpression"):
        try:
            message = environment.compile(raw["messageExpression"], STRING)
        except ResultTypeError:
            message_error = "messageExpression must evaluate to a string"
        except CompileError as failure:
            message_error = f"messageExpression compilation failed: {failure}"
    uses_old = program is not None and "oldSelf" in program.names
    path = normalized(node, raw["fieldPath"]) if raw.get("fieldPath") else ""
    return Rule(raw, program, error, message, message_error, uses_old, path or "")


class Rules:
    """The rules of a node and of everything below it, compiled at first use."""

    def __init__(self, node: Structural) -> None:
        self.node = node
        self._children: dict[str, Rules | None] = {}

    @cached_property
    def own(self) -> list[Rule]:
        return compile_rules(self.node)

    @cached_property
    def is_empty(self) -> bool:
        """Nothing here or below: most schemas, which then pay nothing."""
        return not _has_rules(self.node.raw)

    def child(self, name: str) -> "Rules | None":
        if name not in self._children:
            below = self.node.properties.get(name)
            self._children[name] = _made(below) if below is not None else self._values
        return self._children[name]

    @cached_property
    def _values(self) -> "Rules | None":
        return _made(self.node.additional)

    @cached_property
    def items(self) -> "Rules | None":
        return _made(self.node.items)


def _made(node: Structural | None) -> Rules | None:
    if node is None or not _has_rules(node.raw):
        return None
    return Rules(node)


def _has_rules(raw: Any) -> bool:
    if raw.get("x-kubernetes-validations"):
        return True
    below = [*(raw.get("properties") or {}).values(), raw.get("items"), raw.get("additionalProperties")]
    return any(_has_rules(child) for child in below if isinstance(child, dict))


def validate(
    rules: Rules, obj: Any, old: Any = ABSENT, warn: Callable[[str], None] = lambda _: None
) -> list[Cause]:
    """What the rules say of an object; `old` is the object before the update."""
    if rules.is_empty:
        return []
    from pinnace.apimachinery.cel import RUNTIME_COST_BUDGET, Budget

    run = _Run(Budget(RUNTIME_COST_BUDGET), warn)
    with contextlib.suppress(Stop):
        run.visit(rules, obj, old, "", is_unchanged=False)
    return run.found


class _Run:
    """One evaluation of all rules."""

    def __init__(self, budget: "Budget", warn: Callable[[str], None]) -> None:
        self._budget, self._warn = budget, warn
        self.found: list[Cause] = []

    def visit(self, rules: Rules, value: Any, old: Any, path: str, *, is_unchanged: bool) -> None:
        """`is_unchanged`: some part of the object that holds this value is as it was."""
        if value is None:
            return
        if old is None:
            old = ABSENT
        unchanged = is_unchanged or (old is not ABSENT and same(value, old))
        for rule in rules.own:
            self._apply(rules.node, rule, value, old, path, unchanged)
        if isinstance(value, dict):
            before = old if isinstance(old, dict) and rules.node.map_type != "atomic" else {}
            for name, item in value.items():
                below = rules.child(name)
                if below is not None:
                    here = f"{path}.{name}" if path else name
                    if name not in rules.node.properties:
                        here = fields.key(path, name)
                    self.visit(below, item, before.get(name, ABSENT), here, is_unchanged=unchanged)
        elif isinstance(value, list) and rules.items is not None:
            before = correlated(rules.node, old)
            for index, item in enumerate(value):
                was = before.get(key_of(rules.node, item), ABSENT) if before else ABSENT
                self.visit(rules.items, item, was, f"{path}[{index}]", is_unchanged=unchanged)

    def _apply(self, node: Structural, rule: Rule, value: Any, old: Any, path: str, unchanged: bool) -> None:
        from pinnace.apimachinery.cel import BudgetExceeded, EvaluationError

        if rule.program is None:
            self._tell(node, path, f"rule compile error: {rule.error}")
            return
        if rule.uses_old and old is ABSENT and not rule.is_optional:
            return
        variables = self._variables(rule, value, old)
        if self._budget.remaining <= 0:
            self._tell(node, path, _NO_BUDGET)
            raise Stop
        try:
            holds = rule.program.evaluate(variables, self._budget)
        except BudgetExceeded as error:
            if self._budget.remaining <= 0:
                self._tell(node, path, _NO_BUDGET)
            else:
                why = f"no further validation rules will be run due to call cost exceeds limit for rule: {rule.text}"
                self._tell(node, path, f"'{error}': {why}")
            raise Stop from error
        except EvaluationError as error:
            self._tell(node, path, _failure(rule, error))
            return
        if holds is True:
            return
        place = f"{path}.{rule.path}" if path and rule.path else path or rule.path
        cause = _cause(place or NO_PATH, node, rule, self._message(rule, variables))
        if unchanged and not rule.uses_old:
            self._warn(f"{cause.field}: {cause.message}")
        else:
            self.found.append(cause)

    def _variables(self, rule: Rule, value: Any, old: Any) -> dict[str, Any]:
        if not rule.is_optional:
            return {"self": value} if old is ABSENT else {"self": value, "oldSelf": old}
        from pinnace.apimachinery.cel import NONE, Optional

        return {"self": value, "oldSelf": NONE if old is ABSENT else Optional(old, True)}

    def _tell(self, node: Structural, path: str, message: str) -> None:
        self.found.append(fields.invalid(path or NO_PATH, node.type, message))

    def _message(self, rule: Rule, variables: dict[str, Any]) -> str:
        """The message expression's, unless it fails or makes no message."""
        from pinnace.apimachinery.cel import EvaluationError

        if rule.message_program is not None:
            try:
                text = rule.message_program.evaluate(variables, self._budget)
            except EvaluationError:
                text = ""
            if (
                isinstance(text, str)
                and text.strip()
                and "\n" not in text
                and len(text.encode()) <= _LONGEST_MESSAGE
            ):
                return text.strip()
        given = str(rule.raw.get("message") or "").strip()
        return given or f"failed rule: {str(rule.raw['rule']).strip()}"


def _failure(rule: Rule, error: Exception) -> str:
    if str(error).startswith("no such overload"):
        why = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{error}': {why}: {rule.text}"
    return f"{error} evaluating rule: {rule.text}"


def _cause(path: str, node: Structural, rule: Rule, message: str) -> Cause:
    match rule.raw.get("reason"):
        case "FieldValueForbidden":
            return fields.forbidden(path, message)
        case "FieldValueRequired":
            return fields.required(path, message)
        case "FieldValueDuplicate":
            return fields.duplicate(path, node.type)
    return fields.invalid(path, node.type, message)
