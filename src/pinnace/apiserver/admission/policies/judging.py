"""The verdict of a validating policy on one request with one set of parameters.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/validating/validator.go
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pinnace.apiserver.admission.policies.compiled import Expression
from pinnace.apiserver.admission.policies.evaluation import (
    Evaluation,
    Failed,
    Inputs,
    OutOfBudget,
    conditions_hold,
)
from pinnace.apiserver.admission.policies.source import Policy

_LONGEST_MESSAGE = 5 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """A validation that did not hold, or failed. `reason` is empty for failures."""

    index: int
    message: str
    reason: str = ""


@dataclass(slots=True)
class Verdict:
    findings: list[Finding] = field(default_factory=list)
    annotations: list[tuple[str, str]] = field(default_factory=list)
    annotation_problems: list[str] = field(default_factory=list)


async def judge(inputs: Inputs, policy: Policy, values: dict[str, Any]) -> Verdict:
    compiled, verdict = policy.compiled, Verdict()
    try:
        if not await conditions_hold(inputs, compiled.conditions, values):
            return verdict
        await _validate(Evaluation(inputs, compiled, values), policy, verdict)
        await _annotate(Evaluation(inputs, compiled, values), policy, verdict)
    except Failed as error:  # a match condition, or the budget of all of them
        verdict = Verdict()
        if not policy.ignores_failure:
            verdict.findings.append(Finding(0, str(error)))
    return verdict


async def _validate(evaluation: Evaluation, policy: Policy, verdict: Verdict) -> None:
    validations = policy.spec.get("validations") or ()
    for index, expression in enumerate(policy.compiled.validations):
        try:
            holds = await evaluation.evaluate(expression) is True
        except OutOfBudget:
            raise
        except Failed as error:
            if not policy.ignores_failure:
                verdict.findings.append(Finding(index, str(error)))
            continue
        if not holds:
            validation = validations[index]
            message = await _message(evaluation, policy.compiled.messages[index], validation)
            verdict.findings.append(Finding(index, message, validation.get("reason") or "Invalid"))


async def _message(
    evaluation: Evaluation, expression: Expression | None, validation: Mapping[str, Any]
) -> str:
    """The messageExpression's if it gives a usable line, else the message, else the expression itself."""
    text = ""
    if expression is not None:
        try:
            found = await evaluation.evaluate(expression)
        except OutOfBudget as error:
            return f"failed messageExpression: {error}"
        except Failed:
            found = None
        text = found.strip() if isinstance(found, str) else ""
        if len(text.encode()) > _LONGEST_MESSAGE or "\n" in text:
            text = ""
    text = text or (validation.get("message") or "").strip()
    return text or f"failed expression: {validation['expression'].strip()}"


async def _annotate(evaluation: Evaluation, policy: Policy, verdict: Verdict) -> None:
    for key, expression in policy.compiled.annotations:
        try:
            value = await evaluation.evaluate(expression)
        except OutOfBudget:
            raise
        except Failed as error:
            if not policy.ignores_failure:
                verdict.annotation_problems.append(str(error))
            continue
        if isinstance(value, str) and value.strip():
            verdict.annotations.append((key, value.strip()))
