"""CEL expressions that select devices: what they may name, and whether they compile. CEL is imported when one is read.

Upstream: https://github.com/kubernetes/dynamic-resource-allocation/blob/master/cel/compile.go
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause

MAX_LENGTH, MAX_COST = 10 * 1024, 1_000_000
_MAX_ATTRIBUTES, _MAX_TEXT, _MAX_DRIVER = 32, 64, 63


@cache
def _environment() -> Any:
    from pinnace.apimachinery import cel
    from pinnace.apimachinery.cel.library.quantities import Quantity
    from pinnace.apimachinery.cel.types import Type

    def by_domain(value: Type) -> Type:
        """domain -> name -> value."""
        own = Type("map", (cel.STRING, value), max_size=_MAX_ATTRIBUTES)
        return Type("map", (cel.STRING, own), max_size=_MAX_ATTRIBUTES)

    device = cel.object_type(
        "kubernetes.DRADevice",
        {
            "driver": cel.Field(Type("string", max_size=_MAX_DRIVER), "driver"),
            "attributes": cel.Field(by_domain(Type("dyn", max_size=_MAX_TEXT)), "attributes"),
            "capacity": cel.Field(by_domain(Quantity.cel_type), "capacity"),
            "allowMultipleAllocations": cel.Field(cel.BOOL, "allowMultipleAllocations"),
        },
    )
    return cel.Environment({"device": device})


def validate(expression: str, path: str) -> Iterator[Cause]:
    if len(expression) > MAX_LENGTH:
        yield fields.too_long(path, MAX_LENGTH)
        return
    from pinnace.apimachinery import cel

    try:
        program = _environment().compile(expression)
    except cel.CompileError as error:
        yield fields.invalid(path, expression, f"compilation failed: {error}")
        return
    if program.type.kind not in ("bool", "dyn"):
        why = f"must evaluate to bool or the unknown type, not {program.type}"
        yield fields.invalid(path, expression, why)
    elif program.estimated_cost.max > MAX_COST:
        yield fields.forbidden(path, "too complex, exceeds cost limit")


class SelectorFailed(Exception):
    """The expression cannot be judged for this device."""


class _ByDomain(dict[str, dict[str, Any]]):
    """A domain that a device says nothing of is empty, as upstream has it."""

    def __missing__(self, domain: str) -> dict[str, Any]:
        return {}


def matches(expression: str, driver: str, device: Mapping[str, Any]) -> bool:
    """Whether the selector holds for a device of a slice. Raises SelectorFailed."""
    from pinnace.apimachinery import cel
    from pinnace.apimachinery.cel.library import quantities

    attributes, capacity = _ByDomain(), _ByDomain()
    for name, attribute in (device.get("attributes") or {}).items():
        _put(attributes, driver, name, _value_of(attribute))
    for name, amount in (device.get("capacity") or {}).items():
        _put(capacity, driver, name, quantities.parse(str(amount["value"])))
    given = {
        "driver": driver,
        "attributes": attributes,
        "capacity": capacity,
        "allowMultipleAllocations": bool(device.get("allowMultipleAllocations")),
    }
    try:
        answer = _program(expression).evaluate({"device": given}, cel.Budget(MAX_COST))
    except (cel.CompileError, cel.EvaluationError, cel.BudgetExceeded) as error:
        raise SelectorFailed(f"CEL runtime error: {error}") from error
    if not isinstance(answer, bool):
        raise SelectorFailed("CEL expression did not return a bool")
    return answer


@lru_cache(maxsize=256)
def _program(expression: str) -> Any:
    return _environment().compile(expression)


def _put(found: _ByDomain, driver: str, name: str, value: Any) -> None:
    """A name without a domain is the driver's own."""
    domain, slash, own = name.partition("/")
    found.setdefault(domain if slash else driver, {})[own if slash else name] = value


def _value_of(attribute: Mapping[str, Any]) -> Any:
    from pinnace.apimachinery.cel.library import semvers

    (kind, value), *_ = attribute.items()
    return semvers.parse(value) if kind == "version" else value
