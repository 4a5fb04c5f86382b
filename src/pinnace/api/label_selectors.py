"""Validation of metav1.LabelSelector and of values that are an integer or a percentage."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import fields, metadata, names
from pinnace.apimachinery.errors import Cause

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def validate(selector: Mapping[str, Any] | None, path: str) -> list[Cause]:
    if not selector:
        return []
    found = metadata.validate_labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        found += _validate_expression(expression or {}, f"{path}.matchExpressions[{index}]")
    return found


def _validate_expression(expression: Mapping[str, Any], path: str) -> list[Cause]:
    found: list[Cause] = []
    operator, values = expression.get("operator", ""), expression.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            found.append(
                fields.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            )
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(fields.forbidden(f"{path}.values", why))
    else:
        found.append(fields.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    key = expression.get("key", "")
    found += fields.all_invalid(f"{path}.key", key, names.qualified_name(key))
    for index, value in enumerate(values):
        found += fields.all_invalid(f"{path}.values[{index}]", value, names.label_value(value))
    return found


def validate_int_or_percent(value: Any, path: str) -> list[Cause]:
    """Absent is fine; an integer must not be negative; text must be `NN%`."""
    if value is None:
        return []
    if isinstance(value, int):
        return fields.non_negative(path, value)
    return fields.all_invalid(path, value, names.percent(str(value)))


def validate_at_most_all(value: Any, path: str) -> list[Cause]:
    """A percentage may not exceed 100."""
    if isinstance(value, str) and not names.percent(value) and int(value[:-1]) > 100:
        return [fields.invalid(path, value, "must not be greater than 100%")]
    return []


def is_zero(value: Any) -> bool:
    return (
        value is None
        or value == 0
        or (isinstance(value, str) and not names.percent(value) and int(value[:-1]) == 0)
    )


def of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`spec.selector` as a LabelSelector: ReplicationControllers and Services have a plain map of labels there."""
    selector: Mapping[str, Any] | None = (obj.get("spec") or {}).get("selector")
    if selector and obj.get("kind") in ("ReplicationController", "Service"):
        return {"matchLabels": selector}
    return selector
