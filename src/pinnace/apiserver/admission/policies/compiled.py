"""A policy's expressions as programs. What does not compile (stored by an older version) fails when it is evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api.admissionregistration import expressions
from pinnace.api.admissionregistration.expressions import Scope
from pinnace.apimachinery import cel

Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Expression:
    """`program` is None when it did not compile, for the reason `problem`."""

    source: str
    program: cel.Program | None = None
    problem: str = ""


class Compiled:
    def __init__(self, spec: Part, *, is_mutation: bool) -> None:
        has_params = spec.get("paramKind") is not None
        scope = Scope(has_params, is_mutation)
        conditions = scope.environment(composed=False)
        self.conditions = [
            (condition["name"], _compile(conditions, condition["expression"].strip(), cel.BOOL))
            for condition in spec.get("matchConditions") or ()
        ]
        self.variables = {
            variable["name"]: _compile_variable(scope, variable["name"], variable["expression"])
            for variable in spec.get("variables") or ()
        }
        env = scope.environment()
        self.validations = [
            _compile(env, validation["expression"], cel.BOOL) for validation in spec.get("validations") or ()
        ]
        quiet = scope.environment(authorizer=False)
        self.messages = [
            _compile(quiet, source, cel.STRING) if (source := validation.get("messageExpression")) else None
            for validation in spec.get("validations") or ()
        ]
        self.annotations = [
            (annotation["key"], _compile(env, annotation["valueExpression"].strip(), (cel.STRING, cel.NULL)))
            for annotation in spec.get("auditAnnotations") or ()
        ]
        self.mutations = [_compile_mutation(env, mutation) for mutation in spec.get("mutations") or ()]


def compile_conditions(conditions: Any) -> list[tuple[str, Expression]]:
    """`matchConditions` of a webhook."""
    env = Scope().environment(composed=False)
    return [(one["name"], _compile(env, one["expression"].strip(), cel.BOOL)) for one in conditions or ()]


def _compile(env: cel.Environment, source: str, result: "cel.Type | tuple[cel.Type, ...]") -> Expression:
    try:
        return Expression(source, env.compile(source, result))
    except cel.CompileError as error:
        return Expression(source, problem=expressions.explained(error))


def _compile_variable(scope: Scope, name: str, source: str) -> Expression:
    try:
        return Expression(source, scope.add_variable(name, source))
    except cel.CompileError as error:
        return Expression(source, problem=expressions.explained(error))


def _compile_mutation(env: cel.Environment, mutation: Part) -> Expression:
    if mutation.get("patchType") == "JSONPatch":
        return _compile(
            env, (mutation.get("jsonPatch") or {}).get("expression", ""), expressions.JSON_PATCHES
        )
    source = (mutation.get("applyConfiguration") or {}).get("expression", "")
    return _compile(env, source, expressions.APPLY_CONFIGURATION)
