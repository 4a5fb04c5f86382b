"""Rules that the kinds of storage share: names of drivers, parameters of classes, amounts."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery import quantity
from pinnace.apimachinery.errors import Cause

MAX_DRIVER_NAME = 63
MAX_PARAMETERS, MAX_PARAMETERS_SIZE = 512, 256 * 1024


def validate_driver_name(name: str | None, path: str) -> Iterator[Cause]:
    if not name:
        yield fields.required(path)
        return
    if len(name) > MAX_DRIVER_NAME:
        yield fields.too_long(path, MAX_DRIVER_NAME)
    yield from fields.all_invalid(path, name, names.dns_subdomain(name.lower()))


def validate_parameters(
    parameters: Mapping[str, str] | None, path: str, *, may_be_empty: bool
) -> Iterator[Cause]:
    if not parameters:
        if not may_be_empty:
            yield fields.required(path, "must contain at least one key/value pair")
        return
    if len(parameters) > MAX_PARAMETERS:
        yield fields.too_long(path, MAX_PARAMETERS)
        return
    size = 0
    for key, value in parameters.items():
        if not key:
            yield fields.invalid(path, key, "field can not be empty.")
        size += len(key.encode()) + len(value.encode())
    if size > MAX_PARAMETERS_SIZE:
        yield fields.too_long(path, MAX_PARAMETERS_SIZE)


def validate_amount(amount: Any, path: str, *, positive: bool = False) -> Iterator[Cause]:
    """A quantity that is not negative, or above zero."""
    if amount is None:
        return
    value = quantity.parse(amount)
    if positive and value <= 0:
        yield fields.invalid(path, amount, "must be greater than zero")
    elif value < 0:
        yield fields.invalid(path, amount, "must be greater than or equal to 0")
