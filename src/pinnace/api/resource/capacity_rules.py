"""How much of a device's capacity one request may ask for: single values, or a range with steps."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.resource.device_rules import Found
from pinnace.apimachinery import quantity

MAX_OPTIONS = 10
Policy = Mapping[str, Any]


def validate_policy(capacity: Policy, path: str) -> Found:
    """`capacity` has a `value` and a `requestPolicy`; the policy's values must fit into the former."""
    policy, value = capacity["requestPolicy"], capacity.get("value") or "0"
    values, span, default = policy.get("validValues"), policy.get("validRange"), policy.get("default")
    if values and span is not None:
        why = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        yield fields.forbidden(path, why)
    elif values or span is not None:
        kind = "validValues" if values else "validRange"
        if default is None:
            yield fields.required(f"{path}.default", f"required when {kind} is defined")
        elif values:
            yield from _validate_values(values, default, value, f"{path}.validValues")
        else:
            yield from _validate_range(span or {}, default, value, f"{path}.validRange")


def _validate_values(values: list[Any], default: Any, capacity: Any, path: str) -> Found:
    if len(values) > MAX_OPTIONS:
        yield fields.too_many(path, len(values), MAX_OPTIONS)
        return
    amounts = [quantity.parse(value) for value in values]
    for index, amount in enumerate(amounts):
        here = f"{path}[{index}]"
        if index and amounts[index - 1] > amount:
            yield fields.invalid(here, values[index], "values must be sorted in ascending order")
        if amount > quantity.parse(capacity):
            why = f"option is larger than capacity value: {capacity}"
            yield fields.invalid(here, values[index], why)
        if amount in amounts[:index]:
            yield fields.duplicate(here, values[index])
    if quantity.parse(default) not in amounts:
        yield fields.invalid(path, default, "default value is not valid according to the requestPolicy")


def _validate_range(span: Policy, default: Any, capacity: Any, path: str) -> Found:
    least, most, step = span.get("min"), span.get("max"), span.get("step")
    if least is None:
        yield fields.required(f"{path}.min", "required when validRange is defined")
        return
    low, whole, usual = (quantity.parse(amount) for amount in (least, capacity, default))
    if low > whole:
        yield fields.invalid(f"{path}.min", least, f"min is larger than capacity value: {capacity}")
    if usual < low:
        yield fields.invalid(f"{path}.default", default, f"default is less than min: {least}")
    if most is not None:
        high = quantity.parse(most)
        if low > high:
            yield fields.invalid(f"{path}.max", least, f"min is larger than max: {most}")
        if high > whole:
            yield fields.invalid(f"{path}.max", most, f"max is larger than capacity value: {capacity}")
        if usual > high:
            yield fields.invalid(f"{path}.default", default, f"default is more than max: {most}")
    if step is not None:
        yield from _validate_step(span, default, capacity, f"{path}.step")


def _validate_step(span: Policy, default: Any, capacity: Any, path: str) -> Found:
    least, step = span["min"], span["step"]
    low, width = quantity.parse(least), quantity.parse(step)
    if width <= 0:
        yield fields.invalid(path, step, "must be greater than zero")
        return
    if low + width > quantity.parse(capacity):
        one = quantity.format_quantity(low + width)
        yield fields.invalid(path, step, f"one step {one} is larger than capacity value: {capacity}")
    for value in (default, span.get("max")):
        if value is not None and (quantity.parse(value) - low) % width:
            why = f"value is not a multiple of a given step ({step}) from ({least})"
            yield fields.invalid(path, value, why)
