"""The tree of an expression. Macros are expanded by the parser, as upstream does, so that checking and costs need no macros."""

from dataclasses import dataclass, field
from typing import Any

from pinnace.apimachinery.cel.types import DYN, Type


@dataclass(slots=True, eq=False)
class Node:
    """`offset` is where messages point; `type` is known after checking."""

    offset: int
    type: Type = field(default=DYN, init=False)


@dataclass(slots=True, eq=False)
class Literal(Node):
    value: Any


@dataclass(slots=True, eq=False)
class Ident(Node):
    name: str
    constant: Any = field(default=None, init=False)  # the type that the name denotes, if it denotes one


@dataclass(slots=True, eq=False)
class Select(Node):
    operand: Node
    name: str
    test_only: bool = False  # has(operand.name)
    optional: bool = False  # operand.?name
    key: str | None = field(
        default=None, init=False
    )  # the key in the object, where the name is an escaped one
    qualified: Any = field(default=None, init=False)  # the Ident, where `a.b` as a whole names something


@dataclass(slots=True, eq=False)
class Call(Node):
    function: str
    args: list[Node]
    target: Node | None = None
    overloads: list[Any] = field(default_factory=list, init=False)

    @property
    def operands(self) -> list[Node]:
        return self.args if self.target is None else [self.target, *self.args]


@dataclass(slots=True, eq=False)
class ListNode(Node):
    elements: list[Node]
    optional: frozenset[int] = frozenset()


@dataclass(slots=True, eq=False)
class MapNode(Node):
    entries: list[tuple[Node, Node, bool]]


@dataclass(slots=True, eq=False)
class StructNode(Node):
    name: str
    entries: list[tuple[str, Node, bool, int]]  # name, value, optional, offset


@dataclass(slots=True, eq=False)
class Comprehension(Node):
    """A fold over the entries of a list or map. `macro` tells the planner of a loop that it knows by heart."""

    range: Node
    var: str
    var2: str
    accu: str
    init: Node
    condition: Node
    step: Node
    result: Node
    macro: str = ""
    parts: tuple[Node, ...] = ()  # predicate and transformation, as written
