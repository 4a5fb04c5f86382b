"""All nodes below a node."""

from collections.abc import Iterator

from pinnace.apimachinery.cel.ast import Call, Comprehension, ListNode, MapNode, Node, Select, StructNode


def children(node: Node) -> list[Node]:
    match node:
        case Select():
            return [node.operand]
        case Call():
            return node.operands
        case ListNode():
            return node.elements
        case MapNode():
            return [part for key, value, _ in node.entries for part in (key, value)]
        case StructNode():
            return [value for _, value, _, _ in node.entries]
        case Comprehension():
            return [node.range, node.init, node.condition, node.step, node.result]
    return []


def walk(node: Node) -> Iterator[Node]:
    waiting, seen = [node], set[Node]()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            yield one
            waiting.extend(children(one))
