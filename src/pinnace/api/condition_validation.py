"""Validation of metav1.Condition, where a kind asks for it.

Upstream: https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/validation/validation.go (ValidateConditions)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

STATUSES = ("False", "True", "Unknown")
MAX_REASON, MAX_MESSAGE = 1024, 32 * 1024
REASON_FORMAT = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_reason = re.compile(REASON_FORMAT).fullmatch
_REASON_ERROR = names.regex_error(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
    REASON_FORMAT, "my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB",
)  # fmt: skip


def validate_conditions(conditions: Sequence[Mapping[str, Any]], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here, kind = f"{path}[{index}]", condition.get("type") or ""
        if kind in seen:
            yield fields.duplicate(f"{here}.type", kind)
        seen.add(kind)
        yield from fields.all_invalid(f"{here}.type", kind, names.qualified_name(kind))
        status = condition.get("status") or ""
        if status not in STATUSES:
            yield fields.not_supported(f"{here}.status", status, STATUSES)
        generation = condition.get("observedGeneration") or 0
        if generation < 0:
            why = "must be greater than or equal to zero"
            yield fields.invalid(f"{here}.observedGeneration", generation, why)
        if not condition.get("lastTransitionTime"):
            yield fields.required(f"{here}.lastTransitionTime", "must be set")
        yield from _validate_texts(condition, here)


def _validate_texts(condition: Mapping[str, Any], path: str) -> Iterator[Cause]:
    reason, message = condition.get("reason") or "", condition.get("message") or ""
    if not reason:
        yield fields.required(f"{path}.reason", "must be set")
    elif not _reason(reason):
        yield fields.invalid(f"{path}.reason", reason, _REASON_ERROR)
    if len(reason) > MAX_REASON:
        yield fields.too_long(f"{path}.reason", MAX_REASON)
    if len(message) > MAX_MESSAGE:
        yield fields.too_long(f"{path}.message", MAX_MESSAGE)
