"""Rules of custom resources: what they see, what they cost, and how their findings are told."""

from typing import Any

import pytest

from pinnace.api.apiextensions import rule_validation, rules, schema_validation
from pinnace.api.apiextensions.rules import Rules
from pinnace.api.apiextensions.values import ABSENT
from pinnace.apimachinery.structural.node import Structural

PATH = "spec.validation.openAPIV3Schema"


def schema(spec: dict[str, Any], *root_rules: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": {"spec": spec}}
    return {**made, "x-kubernetes-validations": list(root_rules)} if root_rules else made


def judge(raw: dict[str, Any], new: Any, old: Any = ABSENT) -> list[str]:
    found = rules.validate(Rules(Structural(raw, is_root=True)), new, old)
    return [f"{cause.field}: {cause.message}" for cause in found]


def with_rule(rule: str, **more: Any) -> dict[str, Any]:
    properties = {"min": {"type": "integer"}, "max": {"type": "integer"}}
    return schema(
        {"type": "object", "properties": properties, "x-kubernetes-validations": [{"rule": rule, **more}]}
    )


def test_a_rule_that_holds_says_nothing() -> None:
    assert judge(with_rule("self.min <= self.max"), {"spec": {"min": 1, "max": 2}}) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, 'spec: Invalid value: "object": failed rule: self.min <= self.max'),
        ({"message": "min is more than max"}, 'spec: Invalid value: "object": min is more than max'),
        ({"messageExpression": "'min is %d'.format([self.min])"}, 'spec: Invalid value: "object": min is 3'),
        ({"fieldPath": ".min"}, 'spec.min: Invalid value: "object": failed rule: self.min <= self.max'),
        ({"reason": "FieldValueForbidden"}, "spec: Forbidden: failed rule: self.min <= self.max"),
        ({"reason": "FieldValueRequired", "message": "m"}, "spec: Required value: m"),
        ({"reason": "FieldValueDuplicate"}, 'spec: Duplicate value: "object"'),
    ],
)
def test_a_rule_that_does_not_hold_is_told_as_it_asks(more: dict[str, Any], said: str) -> None:
    assert judge(with_rule("self.min <= self.max", **more), {"spec": {"min": 3, "max": 2}}) == [said]


def test_rules_at_the_root_see_the_name() -> None:
    raw = schema({"type": "object"}, {"rule": "self.metadata.name.startsWith('a')"})
    assert judge(raw, {"metadata": {"name": "abc"}}) == []
    assert judge(raw, {"metadata": {"name": "b"}}) == [
        "<nil>: Invalid value: \"object\": failed rule: self.metadata.name.startsWith('a')"
    ]


def test_a_transition_rule_is_only_for_updates() -> None:
    raw = with_rule("self.min >= oldSelf.min")
    assert judge(raw, {"spec": {"min": 1}}) == []
    assert judge(raw, {"spec": {"min": 2}}, {"spec": {"min": 1}}) == []
    assert len(judge(raw, {"spec": {"min": 1}}, {"spec": {"min": 2}})) == 1


def test_an_optional_old_value_makes_it_one_for_creates_too() -> None:
    raw = with_rule("oldSelf.hasValue() || self.min == 0", optionalOldSelf=True)
    assert judge(raw, {"spec": {"min": 0}}) == []
    assert len(judge(raw, {"spec": {"min": 1}})) == 1
    assert judge(raw, {"spec": {"min": 1}}, {"spec": {"min": 5}}) == []


def test_elements_of_keyed_lists_have_old_values() -> None:
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size"}],
    }
    keyed = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    raw = schema({"type": "object", "properties": {"items": keyed}})
    old = {"spec": {"items": [{"name": "a", "size": 5}, {"name": "b", "size": 1}]}}
    new = {"spec": {"items": [{"name": "b", "size": 2}, {"name": "a", "size": 4}, {"name": "c", "size": 0}]}}
    assert judge(raw, new, old) == [
        'spec.items[1]: Invalid value: "object": failed rule: self.size >= oldSelf.size'
    ]


def test_what_did_not_change_is_only_warned_about() -> None:
    raw = with_rule("self.min <= self.max")
    warnings: list[str] = []
    wrong = {"spec": {"min": 3, "max": 2}}
    made = Rules(Structural(raw, is_root=True))
    assert rules.validate(made, {**wrong, "other": 1}, wrong, warnings.append) == []
    assert warnings == ['spec: Invalid value: "object": failed rule: self.min <= self.max']


def test_a_rule_that_fails_names_the_failure() -> None:
    (said,) = judge(with_rule("1 / (self.max - 2) > 0"), {"spec": {"max": 2}})
    assert said == 'spec: Invalid value: "object": division by zero evaluating rule: 1 / (self.max - 2) > 0'


def test_the_budget_ends_the_evaluation() -> None:
    numbers = {"type": "array", "items": {"type": "integer"}}
    heavy = {"rule": "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))"}
    raw = schema(
        {"type": "object", "properties": {"n": {**numbers, "x-kubernetes-validations": [heavy, heavy]}}}
    )
    (said,) = judge(raw, {"spec": {"n": list(range(400))}})
    assert "no further validation rules will be run" in said


def findings(raw: dict[str, Any]) -> list[str]:
    return [f"{c.field}: {c.message}" for c in schema_validation.validate(raw, PATH, False)]


def test_sound_rules_are_taken() -> None:
    assert findings(with_rule("self.min <= self.max", message="no", fieldPath=".min")) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"rule": " "}, "rule: Required value: rule is not specified"),
        ({"rule": "true", "message": "a\nb"}, "message must not contain line breaks"),
        ({"rule": "true &&\ntrue"}, "message must be specified if rule contains line breaks"),
        ({"rule": "true", "reason": "Odd"}, "reason: Unsupported value: \"Odd\""),
        ({"rule": "true", "fieldPath": ".nothing"}, "fieldPath must be a valid path"),
        ({"rule": "self.min"}, "cel expression must evaluate to a bool"),
        ({"rule": "self.nothing > 1"}, "undefined field 'nothing'"),
        ({"rule": "true", "messageExpression": "1"}, "messageExpression must evaluate to a string"),
        ({"rule": "true", "optionalOldSelf": True}, "may not be set if oldSelf is not used in rule"),
    ],
)  # fmt: skip
def test_unsound_rules_are_refused(rule: dict[str, Any], said: str) -> None:
    properties = {"min": {"type": "integer"}}
    raw = schema({"type": "object", "properties": properties, "x-kubernetes-validations": [rule]})
    found = findings(raw)
    assert any(said in one for one in found), found


def test_old_values_are_refused_where_nothing_correlates_them() -> None:
    items = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self == oldSelf"}],
    }
    raw = schema({"type": "object", "properties": {"list": {"type": "array", "maxItems": 5, "items": items}}})
    assert findings(raw) == [
        f"{PATH}.properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Invalid value: "
        '"self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within '
        f"{PATH}.properties[spec].properties[list]"
    ]  # fmt: skip


def test_rules_that_may_cost_too_much_are_refused() -> None:
    text = {"type": "string"}
    nested = {
        "type": "array",
        "items": text,
        "x-kubernetes-validations": [{"rule": "self.all(a, self.all(b, a != b))"}],
    }
    (first, *_) = findings(schema({"type": "object", "properties": {"list": nested}}))
    assert "estimated rule cost exceeds budget by factor of more than 100x" in first
    bounded = {**nested, "maxItems": 10, "items": {"type": "string", "maxLength": 10}}
    assert findings(schema({"type": "object", "properties": {"list": bounded}})) == []


def test_an_unchanged_schema_is_not_weighed_again() -> None:
    nested = {
        "type": "array",
        "items": {"type": "string"},
        "x-kubernetes-validations": [{"rule": "self.all(a, self.all(b, a != b))"}],
    }
    raw = schema({"type": "object", "properties": {"list": nested}})
    assert rule_validation.validate(raw, PATH, raw) == []
