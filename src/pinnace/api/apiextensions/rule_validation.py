"""Validation of `x-kubernetes-validations` in a definition: shape, types, and estimated costs of the rules.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/validation.go
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pinnace.api import fields
from pinnace.api.apiextensions.rule_paths import normalized
from pinnace.api.apiextensions.rules import Rule, compile_rules, type_of
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.structural.node import Structural

Raw = dict[str, Any]
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_LARGEST = 2**64 - 1
_MAX_REQUEST_BYTES = 3 * 1024 * 1024
_ADVICE = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
_MOST_EXPENSIVE = 4


def check_shape(schema: Raw, path: str) -> Iterator[Cause]:
    """What is wrong with rules before they are even compiled."""
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        place = f"{path}.x-kubernetes-validations[{index}]"
        text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
        if not text:
            yield fields.required(f"{place}.rule", "rule is not specified")
        elif message and not message.strip():
            yield fields.invalid(f"{place}.message", message, "message must be non-empty if specified")
        elif _has_breaks(message.strip()):
            yield fields.invalid(f"{place}.message", message, "message must not contain line breaks")
        elif _has_breaks(text) and not message.strip():
            yield fields.required(
                f"{place}.message", "message must be specified if rule contains line breaks"
            )
        expression = rule.get("messageExpression") or ""
        if expression and not expression.strip():
            yield fields.required(
                f"{place}.messageExpression", "messageExpression must be non-empty if specified"
            )
        if rule.get("reason") is not None and rule["reason"] not in REASONS:
            yield fields.not_supported(f"{place}.reason", rule["reason"], REASONS)
        where = rule.get("fieldPath") or ""
        if where and not where.strip():
            yield fields.invalid(f"{place}.fieldPath", where, "fieldPath must be non-empty if specified")
        if _has_breaks(where):
            yield fields.invalid(f"{place}.fieldPath", where, "fieldPath must not contain line breaks")
        if where and normalized(Structural(schema), where) is None:
            yield fields.invalid(f"{place}.fieldPath", where, "fieldPath must be a valid path")


def _has_breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def validate(schema: Raw, path: str, old: Raw | None = None) -> list[Cause]:
    """Compile and weigh all rules; a schema that did not change is not weighed again."""
    if schema == old or not _any_rules(schema):
        return []
    check = _Check()
    check.visit(Structural(schema, is_root=True), path, _Place())
    return check.found + check.total(path)


def _any_rules(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.get("x-kubernetes-validations"):
        return True
    below = [
        *(schema.get("properties") or {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    return any(map(_any_rules, below))


@dataclass(frozen=True, slots=True)
class _Place:
    """How often a value of the schema may occur in one object (None: not bounded by the schema), and from where on old
    and new values cannot be told to belong together."""

    cardinality: int | None = 1
    uncorrelated: str = ""

    def inside(self, limit: int | None, uncorrelated: str = "") -> "_Place":
        number = (
            None if limit is None or self.cardinality is None else min(self.cardinality * limit, _LARGEST)
        )
        return replace(self, cardinality=number, uncorrelated=self.uncorrelated or uncorrelated)


@dataclass(slots=True)
class _Check:
    found: list[Cause] = field(default_factory=list)
    _costs: list[tuple[int, str]] = field(default_factory=list)

    def visit(self, node: Structural, path: str, place: _Place) -> None:
        if node.raw.get("x-kubernetes-validations"):
            self._rules(node, f"{path}.x-kubernetes-validations", place)
        inner = (
            replace(place, uncorrelated=place.uncorrelated or path) if node.map_type == "atomic" else place
        )
        for name, child in node.properties.items():
            self.visit(child, f"{path}.properties[{name}]", inner)
        if node.additional is not None:
            self.visit(
                node.additional, f"{path}.additionalProperties", place.inside(node.raw.get("maxProperties"))
            )
        if node.items is not None:
            lost = "" if node.list_type == "map" else path
            self.visit(node.items, f"{path}.items", place.inside(node.raw.get("maxItems"), lost))

    def _rules(self, node: Structural, path: str, place: _Place) -> None:
        kind = type_of(node)
        if kind is None:
            preserves = str(node.preserves_unknown).lower()
            why = (
                "Internal error: rule declared on schema that does not support validation rules type: "
                f"'{node.type}' x-kubernetes-preserve-unknown-fields: '{preserves}'"
            )
            self.found.append(Cause("InternalError", why, path))
            return
        most = (
            _MAX_REQUEST_BYTES // (kind.min_json_size + 1) if place.cardinality is None else place.cardinality
        )
        for index, rule in enumerate(compile_rules(node)):
            self._rule(rule, f"{path}[{index}]", most, place)

    def _rule(self, rule: Rule, path: str, most: int, place: _Place) -> None:
        if rule.program is None:
            self.found.append(fields.invalid(f"{path}.rule", rule.raw, rule.error))
        else:
            self._weigh(rule.program.estimated_cost.max * most, f"{path}.rule", "estimated rule cost")
        if rule.message_error:
            self.found.append(fields.invalid(f"{path}.messageExpression", rule.raw, rule.message_error))
        elif rule.message_program is not None:
            cost = rule.message_program.estimated_cost.max * most
            self._weigh(cost, f"{path}.messageExpression", "estimated messageExpression cost")
        if rule.uses_old:
            if place.uncorrelated:
                why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
                self.found.append(fields.invalid(f"{path}.rule", rule.raw["rule"], why))
        elif rule.program is not None and rule.raw.get("optionalOldSelf") is not None:
            why = "may not be set if oldSelf is not used in rule"
            self.found.append(fields.invalid(f"{path}.optionalOldSelf", rule.raw["optionalOldSelf"], why))

    def _weigh(self, cost: int, path: str, what: str) -> None:
        from pinnace.apimachinery.cel import RULE_COST_LIMIT

        cost = min(cost, _LARGEST)
        if cost > RULE_COST_LIMIT:
            self.found.append(fields.forbidden(path, _too_dear(what, cost, RULE_COST_LIMIT)))
        self._costs.append((cost, path))

    def total(self, path: str) -> list[Cause]:
        from pinnace.apimachinery.cel import CRD_COST_LIMIT

        cost = min(sum(one for one, _ in self._costs), _LARGEST)
        if cost <= CRD_COST_LIMIT:
            return []
        dearest = sorted(self._costs, reverse=True)[:_MOST_EXPENSIVE]
        why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [
            *(fields.forbidden(place, why) for _, place in dearest),
            fields.forbidden(path, _too_dear(what, cost, CRD_COST_LIMIT)),
        ]


def _too_dear(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {_ADVICE}"
