"""CEL expressions that select devices: what they may name, and whether they compile. CEL is imported when one is read.

Upstream: https://github.com/kubernetes/dynamic-resource-allocation/blob/master/cel/compile.go
"""

from collections.abc import Iterator
from functools import cache
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
