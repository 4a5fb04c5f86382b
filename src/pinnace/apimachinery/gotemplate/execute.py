"""Renders a parsed template."""

from typing import Any

from pinnace.apimachinery.gotemplate.errors import MissingKey, TemplateError
from pinnace.apimachinery.gotemplate.functions import BUILT_IN, LAZY, Functions, is_true, printed
from pinnace.apimachinery.gotemplate.parser import MAIN, Parser
from pinnace.apimachinery.gotemplate.tree import (
    Branch,
    Chain,
    Command,
    Constant,
    Dot,
    Function,
    Invoke,
    Jump,
    Node,
    Operand,
    Output,
    Pipeline,
    Text,
    Variable,
)

DEEPEST = 200  # templates that call templates


def parse(source: str, functions: Functions | None = None) -> "Template":
    """Raises TemplateError. `functions` are added to the language's own."""
    known = {**BUILT_IN, **(functions or {})}
    return Template(Parser(source, {*known, *LAZY}).parse(), known)


class Template:
    def __init__(self, definitions: dict[str, tuple[Node, ...]], functions: Functions) -> None:
        self._definitions, self._functions = definitions, functions

    def render(self, data: Any, functions: Functions | None = None, *, missing_is_error: bool = False) -> str:
        """Raises TemplateError. `functions` replace known ones for this time, e.g. those that look at `data`.

        `missing_is_error`: a key that a map does not have raises MissingKey (Go's option `missingkey=error`).
        """
        known = {**self._functions, **functions} if functions else self._functions
        run = _Run(self._definitions, known, missing_is_error=missing_is_error)
        run.template(MAIN, data)
        return "".join(run.out)


class _Jumped(Exception):
    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Run:
    def __init__(
        self, definitions: dict[str, tuple[Node, ...]], functions: Functions, *, missing_is_error: bool
    ) -> None:
        self._definitions, self._functions = definitions, functions
        self._missing_is_error = missing_is_error
        self._scope: list[tuple[str, Any]] = []
        self._depth = 0
        self.out: list[str] = []

    def template(self, name: str, data: Any) -> None:
        body = self._definitions.get(name)
        if body is None:
            raise TemplateError(f'template "{name}" not defined')
        if self._depth >= DEEPEST:
            raise TemplateError("exceeded maximum template depth")
        outer, self._scope = self._scope, [("$", data)]
        self._depth += 1
        self._walk(body, data)
        self._depth -= 1
        self._scope = outer

    def _walk(self, nodes: tuple[Node, ...], dot: Any) -> None:
        for node in nodes:
            match node:
                case Text():
                    self.out.append(node.text)
                case Output():
                    value = self._pipeline(node.pipeline, dot)
                    if not node.pipeline.variables:
                        self.out.append(printed(value))
                case Branch():
                    mark = len(self._scope)
                    self._branch(node, dot)
                    del self._scope[mark:]
                case Invoke():
                    self.template(node.name, self._pipeline(node.pipeline, dot) if node.pipeline else None)
                case Jump():
                    raise _Jumped(node.kind)

    def _branch(self, node: Branch, dot: Any) -> None:
        if node.kind == "range":
            self._range(node, dot)
            return
        value = self._pipeline(node.pipeline, dot)
        if is_true(value):
            self._walk(node.body, value if node.kind == "with" else dot)
        else:
            self._walk(node.otherwise, dot)

    def _range(self, node: Branch, dot: Any) -> None:
        names = node.pipeline.variables
        value = self._pipeline(Pipeline(node.pipeline.commands), dot)
        items = _items(value)
        if not items:
            self._walk(node.otherwise, dot)
            return
        for key, item in items:
            mark = len(self._scope)
            given = (key, item) if len(names) == 2 else (item,)
            for name, each in zip(names, given, strict=False):
                self._set(name, each, declares=node.pipeline.declares)
            try:
                self._walk(node.body, item)
            except _Jumped as jump:
                if jump.kind == "break":
                    break
            finally:
                del self._scope[mark:]

    # --- values

    def _set(self, name: str, value: Any, *, declares: bool) -> None:
        if declares:
            self._scope.append((name, value))
            return
        for index in range(len(self._scope) - 1, -1, -1):
            if self._scope[index][0] == name:
                self._scope[index] = (name, value)
                return
        raise TemplateError(f"undefined variable: {name}")

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = None
        for number, command in enumerate(pipeline.commands):
            value = self._command(command, dot, (value,) if number else ())
        for name in pipeline.variables:
            self._set(name, value, declares=pipeline.declares)
        return value

    def _command(self, command: Command, dot: Any, final: tuple[Any, ...]) -> Any:
        first, *rest = command.operands
        if isinstance(first, Function):
            return self._call(first.name, rest, dot, final)
        if final:
            raise TemplateError("can't give argument to non-function")
        return self._operand(first, dot)

    def _call(self, name: str, operands: list[Operand], dot: Any, final: tuple[Any, ...]) -> Any:
        if name in LAZY and name not in self._functions:
            value: Any = None
            for operand in (*operands, *map(Constant, final)):
                value = self._operand(operand, dot)
                if is_true(value) == (name == "or"):
                    break
            return value
        arguments = [self._operand(operand, dot) for operand in operands]
        try:
            return self._functions[name](*arguments, *final)
        except TemplateError as error:
            raise TemplateError(f"error calling {name}: {error}") from None
        except (TypeError, ValueError, ArithmeticError, KeyError, IndexError, AttributeError) as error:
            raise TemplateError(f"error calling {name}: {error}") from error

    def _operand(self, operand: Operand, dot: Any) -> Any:
        match operand:
            case Constant():
                return operand.value
            case Dot():
                return dot
            case Variable():
                return self._variable(operand.name)
            case Function():
                return self._call(operand.name, [], dot, ())
            case Pipeline():
                return self._pipeline(operand, dot)
            case Chain():
                value = self._operand(operand.base, dot)
                for field in operand.fields:
                    if self._missing_is_error and isinstance(value, dict) and field not in value:
                        raise MissingKey(_text(operand), field)
                    value = _field(value, field)
                return value

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._scope):
            if known == name:
                return value
        raise TemplateError(f"undefined variable: {name}")


def _text(chain: Chain) -> str:
    base = chain.base.name if isinstance(chain.base, Variable) else ""
    return base + "".join(f".{field}" for field in chain.fields)


def _field(value: Any, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return value.get(name)
    raise TemplateError(f"can't evaluate field {name} in type {type(value).__name__}")


def _items(value: Any) -> list[tuple[Any, Any]]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return [(number, number) for number in range(value)]
    raise TemplateError(f"range can't iterate over {printed(value)}")
