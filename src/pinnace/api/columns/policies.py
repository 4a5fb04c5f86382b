"""Columns of admission policies and their bindings."""

from datetime import datetime

from pinnace.api.columns.table import AGE, NAME, Cell, Column, TableDef, age, name, number
from pinnace.api.meta import Object


def _param_kind(spec: Object) -> str:
    kind = spec.get("paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"


def _validating(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    return [name(obj), len(spec.get("validations") or ()), _param_kind(spec), age(obj, now)]


def _mutating(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    return [name(obj), len(spec.get("mutations") or ()), _param_kind(spec), age(obj, now)]


def _param_ref(spec: Object) -> str:
    reference = spec.get("paramRef")
    if not reference:
        return "<unset>"
    if reference.get("name"):
        return (
            f"{reference['namespace']}/{reference['name']}"
            if reference.get("namespace")
            else str(reference["name"])
        )
    return "<selector>"


def _binding(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    return [name(obj), spec.get("policyName", ""), _param_ref(spec), age(obj, now)]


_PARAM_KIND = Column("ParamKind", description="The kind of the policy's parameters.")
VALIDATING_POLICIES = TableDef(
    (NAME, number("Validations", "How many validations the policy has."), _PARAM_KIND, AGE), _validating
)
MUTATING_POLICIES = TableDef(
    (NAME, number("Mutations", "How many mutations the policy has."), _PARAM_KIND, AGE), _mutating
)
BINDINGS = TableDef(
    (
        NAME,
        Column("PolicyName", description="The policy that is bound."),
        Column("ParamRef", description="The parameters that the policy is bound to."),
        AGE,
    ),
    _binding,
)
