"""Resource quantities: compare and add `1.5Gi`."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from pinnace.apimachinery import quantity
from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.types import Type, opaque
from pinnace.apimachinery.cel.values import INT_MAX, INT_MIN, Extension


@dataclass(frozen=True, slots=True)
class Quantity(Extension):
    cel_type: ClassVar[Type] = opaque("kubernetes.Quantity")
    value: Decimal


def parse(text: str) -> Quantity:
    try:
        return Quantity(quantity.parse(text))
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def is_quantity(text: str) -> bool:
    try:
        parse(text)
    except EvaluationError:
        return False
    return True


def is_integer(given: Quantity) -> bool:
    return given.value == given.value.to_integral_value() and INT_MIN <= given.value <= INT_MAX


def as_integer(given: Quantity) -> int:
    if not is_integer(given):
        raise EvaluationError("cannot convert value to integer")
    return int(given.value)


def compare(left: Quantity, right: Quantity) -> int:
    return (left.value > right.value) - (left.value < right.value)


def _plus(left: Quantity, right: "Quantity | int") -> Quantity:
    return Quantity(left.value + (right.value if isinstance(right, Quantity) else right))


def _minus(left: Quantity, right: "Quantity | int") -> Quantity:
    return Quantity(left.value - (right.value if isinstance(right, Quantity) else right))


_Q = "kubernetes.Quantity"
ROWS: tuple[Row, ...] = (
    ("quantity", "string_to_quantity", f"(string) -> {_Q}", parse),
    ("isQuantity", "is_quantity_string", "(string) -> bool", is_quantity),
    ("sign", "quantity_sign", f"{_Q}.() -> int", lambda q: (q.value > 0) - (q.value < 0)),
    ("isGreaterThan", "quantity_is_greater_than", f"{_Q}.({_Q}) -> bool", lambda a, b: a.value > b.value),
    ("isLessThan", "quantity_is_less_than", f"{_Q}.({_Q}) -> bool", lambda a, b: a.value < b.value),
    ("compareTo", "quantity_compare_to", f"{_Q}.({_Q}) -> int", compare),
    ("asApproximateFloat", "quantity_get_float", f"{_Q}.() -> double", lambda q: float(q.value)),
    ("asInteger", "quantity_get_int", f"{_Q}.() -> int", as_integer),
    ("isInteger", "quantity_is_integer", f"{_Q}.() -> bool", is_integer),
    ("add", "quantity_add", f"{_Q}.({_Q}) -> {_Q}", _plus),
    ("add", "quantity_add_int", f"{_Q}.(int) -> {_Q}", _plus),
    ("sub", "quantity_sub", f"{_Q}.({_Q}) -> {_Q}", _minus),
    ("sub", "quantity_sub_int", f"{_Q}.(int) -> {_Q}", _minus),
)
