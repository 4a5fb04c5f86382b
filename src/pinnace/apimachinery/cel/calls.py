"""Calls to closures: operators directly, functions through the overload that fits the values."""

from collections.abc import Callable
from typing import Any, Protocol

from pinnace.apimachinery.cel import constants
from pinnace.apimachinery.cel.ast import Call, Literal, Node
from pinnace.apimachinery.cel.attributes import is_attribute, is_conditional, quiet
from pinnace.apimachinery.cel.costs import charge_of
from pinnace.apimachinery.cel.errors import BudgetExceeded, EvaluationError
from pinnace.apimachinery.cel.frame import Frame, Run
from pinnace.apimachinery.cel.functions import Overload
from pinnace.apimachinery.cel.library.operators import contains
from pinnace.apimachinery.cel.lists import adder, equality
from pinnace.apimachinery.cel.types import Type
from pinnace.apimachinery.cel.values import Optional, no_such_overload

# Operators have one implementation, which looks at the values itself.
_DIRECT = frozenset(
    [
        "_+_",
        "_-_",
        "_*_",
        "_/_",
        "_%_",
        "-_",
        "!_",
        "_==_",
        "_!=_",
        "_<_",
        "_<=_",
        "_>_",
        "_>=_",
        "@in",
        "_[_]",
        "_[?_]",
    ]
)
_PYTHON_ERRORS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


class Plans(Protocol):
    def plan(self, node: Node) -> Run: ...


def plan_call(planner: Plans, node: Call) -> Run:
    operands = [planner.plan(operand) for operand in node.operands]
    for at in _QUIET.get(node.function, ()):
        if is_attribute(node.operands[at]) and not is_conditional(node.operands[at]):
            operands[at] = quiet(operands[at])
    match node.function:
        case "_&&_":
            return _logical(False, *operands)
        case "_||_":
            return _logical(True, *operands)
        case "_?_:_":
            return _conditional(*operands)
        case "or" | "orValue" if node.target is not None and len(operands) == 2:
            return _otherwise(node.function, *operands)
        case "dyn":
            return _dyn(operands[0])
    charge = charge_of(node.function, [overload.id for overload in node.overloads])
    if node.function == "@in" and constants.value_of(node.args[1]) is not constants.VARIABLE:
        return _among(operands[0], constants.value_of(node.args[1]))
    if node.function in ("_[_]", "_[?_]") and not is_attribute(node.args[0]):
        charge = _relative
    if node.function in _DIRECT:
        run = _implementation(node)
        return _binary(run, charge, *operands) if len(operands) == 2 else _call(run, charge, operands)
    if node.function in ("matches", "find", "findAll") and (fixed := _fixed_pattern(node)) is not None:
        return _call(fixed, charge, operands)
    return _call(_dispatch(node.overloads, [operand.type for operand in node.operands]), charge, operands)


def _implementation(node: Call) -> Callable[..., Any]:
    if node.function in ("_==_", "_!=_", "_+_"):
        types = [operand.type for operand in node.operands]
        special = next((kind for kind in types if kind.list_type != "atomic"), None)
        if special is not None and all(kind.kind == "list" for kind in types):
            return adder(special) if node.function == "_+_" else equality(special, node.function == "_==_")
    run: Callable[..., Any] = node.overloads[0].run
    return run


# Operands that upstream looks up as part of another attribute: indexes, and the branches of a conditional.
_QUIET = {"_[_]": (1,), "_[?_]": (1,), "_?_:_": (1, 2)}


def _relative(_: Any, __: Any) -> int:
    return 2


def _among(item: Run, container: Any) -> Run:
    """`x in [constants]` costs nothing beyond `x`."""

    def run(f: Frame) -> bool:
        return contains(item(f), container)

    return run


def _logical(decisive: bool, left: Run, right: Run) -> Run:
    """`&&` (decided by False) and `||` (by True): a side that decides hides the other's error."""

    def run(f: Frame) -> bool:
        try:
            first = left(f)
        except BudgetExceeded:
            raise
        except EvaluationError as failure:
            if right(f) is decisive:
                return decisive
            raise failure from None
        if first is decisive:
            return decisive
        second = right(f)
        if second is decisive:
            return decisive
        if first is not (not decisive) or second is not (not decisive):
            raise no_such_overload()
        return not decisive

    return run


def _conditional(condition: Run, yes: Run, no: Run) -> Run:
    def run(f: Frame) -> Any:
        verdict = condition(f)
        if verdict is True:
            return yes(f)
        if verdict is False:
            return no(f)
        raise no_such_overload()

    return run


def _otherwise(function: str, optional: Run, alternative: Run) -> Run:
    """`or` and `orValue` evaluate the alternative only if they need it."""
    unwrap = function == "orValue"

    def run(f: Frame) -> Any:
        given = optional(f)
        if not isinstance(given, Optional):
            raise no_such_overload()
        if given.present:
            return given.value if unwrap else given
        return alternative(f)

    return run


def _dyn(operand: Run) -> Run:
    def run(f: Frame) -> Any:
        f.cost += 1
        return operand(f)

    return run


def _binary(run_operator: Callable[[Any, Any], Any], charge: Any, left: Run, right: Run) -> Run:
    if charge is None:

        def run(f: Frame) -> Any:
            a, b = left(f), right(f)
            f.cost += 1
            if f.cost > f.limit:
                f.charge(0)
            try:
                return run_operator(a, b)
            except RecursionError:
                raise EvaluationError("values are nested too deeply") from None

        return run

    def run_charged(f: Frame) -> Any:
        a, b = left(f), right(f)
        f.charge(charge((a, b), None))
        try:
            return run_operator(a, b)
        except RecursionError:
            raise EvaluationError("values are nested too deeply") from None

    return run_charged


def _call(implementation: Callable[..., Any], charge: Any, operands: list[Run]) -> Run:
    if len(operands) == 2:
        return _call_of_two(implementation, charge, *operands)

    def run(f: Frame) -> Any:
        values = [operand(f) for operand in operands]
        try:
            f.charge(charge(values, None) if charge else 1)
            result = implementation(*values)
        except _PYTHON_ERRORS:
            raise no_such_overload() from None
        except RecursionError:
            raise EvaluationError("values are nested too deeply") from None
        return result

    return run


def _call_of_two(implementation: Callable[..., Any], charge: Any, first: Run, second: Run) -> Run:
    def run(f: Frame) -> Any:
        a, b = first(f), second(f)
        try:
            f.cost += charge((a, b), None) if charge else 1
            if f.cost > f.limit:
                f.charge(0)
            result = implementation(a, b)
        except _PYTHON_ERRORS:
            raise no_such_overload() from None
        except RecursionError:
            raise EvaluationError("values are nested too deeply") from None
        return result

    return run


_VAGUE = ("dyn", "param", "error")


def _dispatch(overloads: list[Overload], types: list[Type]) -> Callable[..., Any]:
    """The implementation for these values; the choice is made now where the static types leave none."""
    if len(overloads) == 1 and not any(_is_vague(kind) for kind in types):
        only: Callable[..., Any] = overloads[0].run
        return only
    if len(overloads) == 1 and len(types) == 2:
        return _guarded(overloads[0])

    def choose(*values: Any) -> Any:
        for overload in overloads:
            if overload.accepts(values):
                return overload.run(*values)
        raise no_such_overload()

    return choose


def _guarded(overload: Overload) -> Callable[..., Any]:
    """The commonest case of a choice, unrolled."""
    (accepts_first, accepts_second), run_overload = overload.guards, overload.run

    def run(first: Any, second: Any) -> Any:
        if accepts_first(first) and accepts_second(second):
            return run_overload(first, second)
        raise no_such_overload()

    return run


def _is_vague(kind: Type) -> bool:
    return kind.kind in _VAGUE or any(map(_is_vague, kind.params))


def _fixed_pattern(node: Call) -> Callable[..., Any] | None:
    """A pattern that is written out is compiled once."""
    at = 1
    operands = node.operands
    if len(operands) < 2 or not isinstance(operands[at], Literal):
        return None
    from pinnace.apimachinery.cel.library.regexes import compile_pattern

    pattern = operands[at].value  # type: ignore[attr-defined]
    if node.function != "matches" or not isinstance(pattern, str):
        return None
    compiled = compile_pattern(pattern)

    def run(text: Any, _: str) -> bool:
        if type(text) is not str:
            raise no_such_overload()
        return compiled.search(text) is not None

    return run
