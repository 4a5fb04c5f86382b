"""Environments: which variables expressions may name. They compile texts to programs, and programs evaluate."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pinnace.apimachinery.cel import types as t
from pinnace.apimachinery.cel.ast import Node
from pinnace.apimachinery.cel.checker import Checker, FindType
from pinnace.apimachinery.cel.costs import PER_CALL_LIMIT
from pinnace.apimachinery.cel.errors import (
    BudgetExceeded,
    CompileError,
    EvaluationError,
    Issue,
    ResultTypeError,
)
from pinnace.apimachinery.cel.estimate import Estimate, estimate
from pinnace.apimachinery.cel.frame import Frame
from pinnace.apimachinery.cel.functions import Functions, merge
from pinnace.apimachinery.cel.library import functions
from pinnace.apimachinery.cel.parser import parse
from pinnace.apimachinery.cel.planner import Planner
from pinnace.apimachinery.cel.types import Type, format_type, same


class Budget:
    """What all evaluations for one request may cost together."""

    __slots__ = ("remaining",)

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining


class Environment:
    """The names that expressions may use. `find_type` knows types that expressions may construct."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        *,
        find_type: FindType = lambda _: None,
        extra_functions: Functions | None = None,
    ) -> None:
        self.variables = dict(variables)
        self._find_type = find_type
        self._extra = extra_functions

    @cached_property
    def _functions(self) -> Functions:
        return merge(functions(), self._extra) if self._extra else functions()

    def extended(self, variables: Mapping[str, Type]) -> "Environment":
        return Environment(
            {**self.variables, **variables}, find_type=self._find_type, extra_functions=self._extra
        )

    def compile(self, source: str, result: "Type | tuple[Type, ...] | None" = None) -> "Program":
        """Raises CompileError. `result` lists the types that the whole may have; None means any."""
        try:
            node = parse(source)
            checker = Checker(self.variables, self._functions, self._find_type)
            checker.check_whole(node)
            if checker.issues:
                raise CompileError(checker.issues, source)
            _check_result(node.type, (result,) if isinstance(result, Type) else result)
            return Program(source, node, self.variables)
        except RecursionError:
            raise CompileError([Issue("expression recursion limit exceeded")], source) from None
        except EvaluationError as error:
            raise CompileError([Issue(str(error))], source) from None


def _check_result(found: Type, allowed: tuple[Type, ...] | None) -> None:
    if allowed is None or any(same(found, one) for one in allowed):
        return
    if len(allowed) == 1:
        raise ResultTypeError(f"must evaluate to {format_type(allowed[0])} but got {format_type(found)}")
    raise ResultTypeError(f"must evaluate to one of [{' '.join(map(format_type, allowed))}]")


class Program:
    """A compiled expression; holds no state of evaluations."""

    def __init__(self, source: str, node: Node, variables: Mapping[str, Type]) -> None:
        self.source = source
        self.type = node.type
        self._node = node
        self._variables = variables
        planner = Planner(variables)
        self._run = planner.plan(node)
        self._slots = planner.slots

    @cached_property
    def estimated_cost(self) -> Estimate:
        """The least and the most that an evaluation may cost, from the bounds that schemas give."""
        return estimate(self._node, self._variables)

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables of the environment that the expression mentions."""
        return frozenset(name for name in self._variables if name in _identifiers(self._node))

    def evaluate(self, variables: Mapping[str, Any], budget: Budget | None = None) -> Any:
        """Raises EvaluationError, and BudgetExceeded when the call or the budget is used up."""
        limit = PER_CALL_LIMIT if budget is None else min(PER_CALL_LIMIT, budget.remaining)
        frame = Frame(variables, self._slots, limit)
        try:
            value = self._run(frame)
            frame.charge(0)
        except RecursionError:
            raise EvaluationError("values are nested too deeply") from None
        except MemoryError:
            raise BudgetExceeded("operation cancelled: out of memory") from None
        finally:
            if budget is not None:
                budget.remaining -= frame.cost
        return value


def _identifiers(node: Node) -> set[str]:
    from pinnace.apimachinery.cel.walk import walk

    return {getattr(one, "name", "").lstrip(".") for one in walk(node)}


__all__ = ["Budget", "Environment", "Program", "t"]
