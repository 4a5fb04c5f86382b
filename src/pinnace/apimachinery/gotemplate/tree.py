"""The parsed template."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Constant:
    value: Any


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`"""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str  # with its $


@dataclass(frozen=True, slots=True)
class Function:
    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Fields of something: `.a.b`, `$x.a`, `(f .).a`."""

    base: "Operand"
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """An operand, or a function with arguments."""

    operands: tuple["Operand", ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`variables` are set to the value of the last command: declared with `:=`, or assigned with `=`."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = True


Operand = Constant | Dot | Variable | Function | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`kind` is if, with or range."""

    kind: str
    pipeline: Pipeline
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Invoke:
    """`template "name" pipeline`"""

    name: str
    pipeline: Pipeline | None


@dataclass(frozen=True, slots=True)
class Jump:
    kind: str  # break or continue


Node = Text | Output | Branch | Invoke | Jump
