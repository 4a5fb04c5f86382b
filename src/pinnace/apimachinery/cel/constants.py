"""What is known before evaluation: literals, lists and maps of them, conversions of them. Upstream folds the same."""

from typing import Any, Final

from pinnace.apimachinery.cel.ast import Call, ListNode, Literal, MapNode, Node
from pinnace.apimachinery.cel.errors import EvaluationError

VARIABLE: Final = object()
_CONVERSIONS = frozenset(["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"])


def value_of(node: Node) -> Any:
    """The value that the node always has, or VARIABLE. A conversion that fails is left to fail when it is evaluated."""
    match node:
        case Literal():
            return node.value
        case ListNode() if not node.optional:
            values = [value_of(element) for element in node.elements]
            return VARIABLE if any(value is VARIABLE for value in values) else values
        case MapNode():
            return _map(node)
        case Call(target=None, args=[argument]) if node.function in _CONVERSIONS and len(node.overloads) == 1:
            value = value_of(argument)
            if value is not VARIABLE:
                try:
                    return node.overloads[0].run(value)
                except (EvaluationError, ValueError, OverflowError):
                    pass
    return VARIABLE


def _map(node: MapNode) -> Any:
    made: dict[Any, Any] = {}
    for key_node, value_node, optional in node.entries:
        key, value = value_of(key_node), value_of(value_node)
        if (
            optional
            or key is VARIABLE
            or value is VARIABLE
            or not isinstance(key, str | int | bool)
            or key in made
        ):
            return VARIABLE
        made[key] = value
    return made
