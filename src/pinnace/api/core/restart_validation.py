"""Validation of a container's own restart policy, and of its rules by exit code."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause

POLICIES = ("Always", "Never", "OnFailure")
ACTIONS = ("Restart", "RestartAllContainers")
OPERATORS = ("In", "NotIn")
MAX_RULES, MAX_VALUES = 20, 255


def validate_restarts(container: Mapping[str, Any], path: str) -> Iterator[Cause]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None and rules:
        why = "must specify restartPolicy when restart rules are used"
        yield fields.required(f"{path}.restartPolicy", why)
    if policy is not None and policy not in POLICIES:
        yield fields.not_supported(f"{path}.restartPolicy", policy, POLICIES)
    if len(rules) > MAX_RULES:
        yield fields.too_many(f"{path}.restartPolicyRules", len(rules), MAX_RULES)
    for index, rule in enumerate(rules):
        here, action, codes = f"{path}.restartPolicyRules[{index}]", rule.get("action"), rule.get("exitCodes")
        if action not in ACTIONS:
            yield fields.not_supported(f"{here}.action", action or "", ACTIONS)
        if codes is None:
            yield fields.required(f"{here}.exitCodes", "must be specified")
            continue
        operator, values = codes.get("operator") or "", codes.get("values") or ()
        if operator not in OPERATORS:
            yield fields.not_supported(f"{here}.exitCodes.operator", operator, OPERATORS)
        if len(values) > MAX_VALUES:
            yield fields.too_many(f"{here}.exitCodes.values", len(values), MAX_VALUES)
