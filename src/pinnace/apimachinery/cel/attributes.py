"""Attributes: names with the fields and indexes that follow them. Upstream resolves one as a whole and charges it once."""

from typing import Any

from pinnace.apimachinery.cel.ast import Call, Ident, Node, Select
from pinnace.apimachinery.cel.frame import Frame, Run


def is_attribute(node: Node) -> bool:
    match node:
        case Ident():
            return node.constant is None
        case Select():
            return not node.test_only
        case Call(function="_[_]" | "_[?_]" | "_?_:_"):
            return True
    return False


def is_conditional(node: Node) -> bool:
    """A conditional is an attribute that costs nothing itself."""
    return isinstance(node, Call) and node.function == "_?_:_"


def quiet(run_attribute: Run) -> Run:
    """The attribute as a part of another one: its fields are charged, it itself is not."""

    def run(f: Frame) -> Any:
        value = run_attribute(f)
        f.cost -= 1
        return value

    return run
