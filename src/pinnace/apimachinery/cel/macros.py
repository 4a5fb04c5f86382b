"""Macros: calls that the parser replaces by folds. Each says in `Comprehension.macro` what it was."""

from typing import Protocol

from pinnace.apimachinery.cel.ast import Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select
from pinnace.apimachinery.cel.errors import CompileError

ACCU = "@result"


class Errors(Protocol):
    def error(self, message: str, offset: int | None = None) -> CompileError: ...


def expand_global(parser: Errors, offset: int, name: str, args: list[Node]) -> Node | None:
    if name != "has" or len(args) != 1:
        return None
    operand = args[0]
    if not isinstance(operand, Select) or operand.test_only:
        raise parser.error("invalid argument to has() macro", operand.offset)
    return Select(offset, operand.operand, operand.name, test_only=True, optional=operand.optional)


def expand_member(parser: Errors, offset: int, target: Node, name: str, args: list[Node]) -> Node | None:
    name = {"existsOne": "exists_one"}.get(name, name)
    count = len(args)
    if name in ("optMap", "optFlatMap"):
        return _opt_map(parser, offset, target, name, args) if count == 2 else None
    if name in ("all", "exists", "exists_one", "filter", "map"):
        if (name == "filter" and count == 2) or (name == "map" and count in (2, 3)):
            return _Loop(parser, offset, target, args[:1]).collect(name, args[1:])
        if name in ("all", "exists", "exists_one") and count in (2, 3):
            return _Loop(parser, offset, target, args[:-1]).judge(name, args[-1])
    if name in ("transformList", "transformMap", "transformMapEntry") and count in (3, 4):
        return _Loop(parser, offset, target, args[:2]).transform(name, args[2:])
    return None


class _Loop:
    def __init__(self, parser: Errors, offset: int, range: Node, variables: list[Node]) -> None:
        self.offset, self.range = offset, range
        names: list[str] = []
        for node in variables:
            if not isinstance(node, Ident) or node.name.startswith("."):
                raise parser.error("argument must be a simple name", node.offset)
            if node.name in names:
                raise parser.error("duplicate variable name", node.offset)
            if node.name == ACCU:
                raise parser.error("iteration variable overwrites accumulator variable", node.offset)
            names.append(node.name)
        self.names = names

    def fold(self, init: Node, condition: Node, step: Node, result: Node, macro: str, *parts: Node) -> Node:
        second = self.names[1] if len(self.names) > 1 else ""
        return Comprehension(
            self.offset, self.range, self.names[0], second, ACCU, init, condition, step, result, macro, parts
        )

    def accu(self) -> Ident:
        return Ident(self.offset, ACCU)

    def call(self, function: str, *args: Node) -> Call:
        return Call(self.offset, function, list(args))

    def literal(self, value: object) -> Literal:
        return Literal(self.offset, value)

    def judge(self, name: str, predicate: Node) -> Node:
        accu, call = self.accu, self.call
        if name == "all":
            going = call("@not_strictly_false", accu())
            return self.fold(
                self.literal(True), going, call("_&&_", accu(), predicate), accu(), "all", predicate
            )
        if name == "exists":
            going = call("@not_strictly_false", call("!_", accu()))
            return self.fold(
                self.literal(False), going, call("_||_", accu(), predicate), accu(), "exists", predicate
            )
        counted = call("_?_:_", predicate, call("_+_", accu(), self.literal(1)), accu())
        result = call("_==_", accu(), self.literal(1))
        return self.fold(self.literal(0), self.literal(True), counted, result, "exists_one", predicate)

    def collect(self, name: str, args: list[Node]) -> Node:
        one: Node = Ident(self.offset, self.names[0]) if name == "filter" else args[-1]
        guard = args[0] if name == "filter" or len(args) == 2 else None
        return self._gather("filter" if name == "filter" else "map", guard, one)

    def _gather(self, macro: str, guard: Node | None, one: Node) -> Node:
        step: Node = self.call("_+_", self.accu(), ListNode(self.offset, [one]))
        if guard is not None:
            step = self.call("_?_:_", guard, step, self.accu())
        parts = (one,) if guard is None else (one, guard)
        return self.fold(ListNode(self.offset, []), self.literal(True), step, self.accu(), macro, *parts)

    def transform(self, name: str, args: list[Node]) -> Node:
        guard = args[0] if len(args) == 2 else None
        if name == "transformList":
            return self._gather("map", guard, args[-1])
        keys = [Ident(self.offset, self.names[0])] if name == "transformMap" else []
        step: Node = self.call("cel.@mapInsert", self.accu(), *keys, args[-1])
        if guard is not None:
            step = self.call("_?_:_", guard, step, self.accu())
        parts = (args[-1],) if guard is None else (args[-1], guard)
        return self.fold(MapNode(self.offset, []), self.literal(True), step, self.accu(), name, *parts)


def _opt_map(parser: Errors, offset: int, target: Node, name: str, args: list[Node]) -> Node:
    """`target.hasValue() ? optional.of(bind(v, target.value(), e)) : optional.none()`."""
    variable = args[0]
    if not isinstance(variable, Ident):
        raise parser.error(f"{name}() variable name must be a simple identifier", variable.offset)
    value = Call(offset, "value", [], target)
    bound: Node = Comprehension(
        offset, ListNode(offset, []), "#unused", "", variable.name, value, Literal(offset, False),
        Ident(offset, variable.name), args[1], "bind", (args[1],),
    )  # fmt: skip
    if name == "optMap":
        bound = Call(offset, "optional.of", [bound])
    return Call(
        offset, "_?_:_", [Call(offset, "hasValue", [], target), bound, Call(offset, "optional.none", [])]
    )
