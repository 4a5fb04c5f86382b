"""What an expression may cost at least and at most, before any value is known.

The rules are upstream's (cel-go checker/cost.go, Kubernetes library/cost.go), because they decide which rules a custom
resource may have. Sizes come from literals and from the bounds of schemas (`Type.max_size`).
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pinnace.apimachinery.cel import types as t
from pinnace.apimachinery.cel.ast import (
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from pinnace.apimachinery.cel.types import Type

MOST = 2**64 - 1


class Estimate(NamedTuple):
    """A range of costs or of sizes; `max` saturates."""

    min: int
    max: int

    def plus(self, other: "Estimate") -> "Estimate":
        return Estimate(min(self.min + other.min, MOST), min(self.max + other.max, MOST))

    def times(self, other: "Estimate") -> "Estimate":
        return Estimate(min(self.min * other.min, MOST), min(self.max * other.max, MOST))

    def scaled(self, factor: float) -> "Estimate":
        return Estimate(_scale(self.min, factor), _scale(self.max, factor))

    def union(self, other: "Estimate") -> "Estimate":
        return Estimate(min(self.min, other.min), max(self.max, other.max))


def _scale(size: int, factor: float) -> int:
    scaled = math.ceil(float(size) * factor)
    return min(MOST, scaled)


ZERO, ONE = Estimate(0, 0), Estimate(1, 1)
UNKNOWN = Estimate(0, MOST)
_ADDRESS = Estimate(4, 16)


class Entries(NamedTuple):
    """Sizes of the keys and values of a list or map that the expression builds."""

    key: Estimate
    value: Estimate


class _Local(NamedTuple):
    type: Type | None
    size: Estimate | None
    entries: Entries | None


def estimate(node: Node, variables: Mapping[str, Type]) -> Estimate:
    return _Estimator(variables).cost(node)


class _Estimator:
    def __init__(self, variables: Mapping[str, Type]) -> None:
        self.variables = variables
        self.scopes: dict[str, list[_Local]] = {}
        self.costs: dict[Node, Estimate] = {}  # macros use some nodes twice
        self.sizes: dict[Node, Estimate] = {}
        self.entries: dict[Node, Entries] = {}
        self.declared: dict[Node, Type] = {}  # what the schema says of a place that a path of fields leads to

    def cost(self, node: Node) -> Estimate:
        if node not in self.costs:
            self.costs[node] = self._cost(node)
        return self.costs[node]

    def _cost(self, node: Node) -> Estimate:
        match node:
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListNode():
                costs = [self.cost(element) for element in node.elements]
                self.entries[node] = Entries(ONE, self._common(node.elements))
                return _sum(costs).plus(Estimate(10, 10))
            case MapNode():
                costs = [self.cost(part) for key, value, _ in node.entries for part in (key, value)]
                self.entries[node] = Entries(
                    self._common([key for key, _, _ in node.entries]),
                    self._common([value for _, value, _ in node.entries]),
                )
                return _sum(costs).plus(Estimate(30, 30))
            case StructNode():
                return _sum([self.cost(value) for _, value, _, _ in node.entries]).plus(Estimate(40, 40))
            case Comprehension():
                return self._bind(node) if node.macro == "bind" else self._comprehension(node)
        return ZERO

    def _common(self, nodes: list[Node]) -> Estimate:
        sizes = [self.size(node) for node in nodes]
        if not sizes:
            return ZERO
        return Estimate(min(size.min for size in sizes), max(size.max for size in sizes))

    # Sizes

    def size(self, node: Node) -> Estimate:
        return self.known_size(node) or UNKNOWN

    def known_size(self, node: Node) -> Estimate | None:
        if node in self.sizes:
            return self.sizes[node]
        match node:
            case Literal():
                length = len(node.value) if isinstance(node.value, str | bytes) else 1
                return Estimate(length, length)
            case ListNode():
                return Estimate(len(node.elements), len(node.elements))
            case MapNode():
                return Estimate(len(node.entries), len(node.entries))
        declared = self.declared.get(node)
        if declared is not None and declared.max_size is not None:
            return Estimate(0, declared.max_size)
        if _is_scalar(node.type):
            return ONE
        local = self._local(node)
        return local.size if local else None

    def known_entries(self, node: Node) -> Entries | None:
        if node in self.entries:
            return self.entries[node]
        local = self._local(node)
        return local.entries if local else None

    def _local(self, node: Node) -> _Local | None:
        stack = self.scopes.get(node.name) if isinstance(node, Ident) else None
        return stack[-1] if stack else None

    # Names and fields

    def _ident(self, node: Ident) -> Estimate:
        local = self._local(node)
        declared = local.type if local else self.variables.get(node.name.lstrip("."))
        if declared is not None:
            self.declared[node] = declared
        return ONE

    def _select(self, node: Select) -> Estimate:
        cost = self.cost(node.operand)
        if node.test_only:
            return cost
        operand = self.declared.get(node.operand)
        if operand is not None:
            field = operand.field(node.name) if operand.kind == "object" else None
            found = field.type if field else operand.elem if operand.kind == "map" else None
            if found is not None:
                self.declared[node] = found
        return cost.plus(ONE) if node.operand.type.kind in ("map", "object", "param") else cost

    # Folds

    def _push(self, name: str, local: _Local) -> None:
        self.scopes.setdefault(name, []).append(local)

    def _comprehension(self, node: Comprehension) -> Estimate:
        total = self.cost(node.range).plus(self.cost(node.init))
        self._push(node.accu, _Local(None, self.known_size(node.init), self.known_entries(node.init)))
        self._push_iteration(node)
        step = self.cost(node.condition).plus(self.cost(node.step))
        self.scopes[node.var].pop()
        if node.var2:
            self.scopes[node.var2].pop()
        total = total.plus(self.cost(node.result))
        self.scopes[node.accu].pop()
        count = self.size(node.range)
        if isinstance(node.init, Literal):
            self.sizes[node] = self.size(node.init)
        else:
            self.sizes[node] = count
            if (entries := self.known_entries(node.step)) is not None:
                self.entries[node] = entries
        return total.plus(count.times(step))

    def _push_iteration(self, node: Comprehension) -> None:
        declared, entries = self.declared.get(node.range), self.known_entries(node.range)
        is_list = node.range.type.kind == "list"
        value = _Local(
            declared.elem if declared and declared.params else None, entries.value if entries else None, None
        )
        key_type = declared.params[0] if declared and declared.kind == "map" and not is_list else None
        key = _Local(key_type, entries.key if entries else None, None)
        if node.var2:
            self._push(node.var, key)
            self._push(node.var2, value)
        else:
            self._push(node.var, value if is_list else key)

    def _bind(self, node: Comprehension) -> Estimate:
        total = self.cost(node.range).plus(self.cost(node.init))
        self._push(
            node.accu,
            _Local(self.declared.get(node.init), self.known_size(node.init), self.known_entries(node.init)),
        )
        total = total.plus(self.cost(node.result))
        self.scopes[node.accu].pop()
        self._copy(node, node.result)
        return total

    def _copy(self, target: Node, source: Node) -> None:
        if (size := self.known_size(source)) is not None:
            self.sizes[target] = size
        if (entries := self.known_entries(source)) is not None:
            self.entries[target] = entries

    # Calls

    def _call(self, node: Call) -> Estimate:
        if node.function == "dyn":
            cost = self.cost(node.args[0])
            self._copy(node, node.args[0])
            return cost.plus(ONE)
        argument_costs = [self.cost(argument) for argument in node.args]
        target_cost = self.cost(node.target) if node.target is not None else ZERO
        ids = [overload.id for overload in node.overloads]
        if not ids:
            return ZERO
        best: Estimate | None = None
        for overload_id in ids:
            cost, size = self._overload(node, overload_id, argument_costs)
            best = cost if best is None else best.union(cost)
            if size is None and overload_id in ("index_list", "index_map"):
                entries = self.known_entries(node.args[0])
                size = entries.value if entries else None
                if (declared := self.declared.get(node.args[0])) is not None and declared.params:
                    self.declared[node] = declared.elem
            if size is not None:
                self.sizes[node] = self.sizes[node].union(size) if node in self.sizes else size
        return target_cost.plus(best or ZERO)

    def _overload(
        self, node: Call, overload_id: str, costs: list[Estimate]
    ) -> tuple[Estimate, Estimate | None]:
        given = _sum(costs)
        rule = _RULES.get(node.function)
        if rule is not None and (found := rule(self, node, overload_id)) is not None:
            return found[0].plus(given), found[1]
        sizes = [self.size(argument) for argument in node.args]
        if overload_id in ("logical_or", "logical_and"):
            return Estimate(costs[0].min, costs[0].plus(costs[1]).max), None
        if overload_id == "conditional":
            if (yes := self.known_entries(node.args[1])) and (no := self.known_entries(node.args[2])):
                self.entries[node] = Entries(yes.key.union(no.key), yes.value.union(no.value))
            return costs[0].plus(costs[1].union(costs[2])), sizes[1].union(sizes[2])
        if overload_id in ("add_string", "add_bytes", "add_list"):
            whole = sizes[0].plus(sizes[1])
            if (left := self.known_entries(node.args[0])) and (right := self.known_entries(node.args[1])):
                self.entries[node] = Entries(left.key.union(right.key), left.value.union(right.value))
            return (ONE if overload_id == "add_list" else whole.scaled(0.1)).plus(given), whole
        if overload_id in _COMPARED:
            shortest = min(size.max for size in sizes)
            return Estimate(1 if shortest else 0, shortest).scaled(0.1).plus(given), None
        cost, size = self._standard(node, overload_id, sizes)
        return cost.plus(given), size

    def _standard(
        self, node: Call, overload_id: str, sizes: list[Estimate]
    ) -> tuple[Estimate, Estimate | None]:
        target = self.size(node.target) if node.target is not None else UNKNOWN
        match overload_id:
            case "string_to_bytes":
                return sizes[0].scaled(0.1), Estimate(sizes[0].min, min(sizes[0].max * 4, MOST))
            case "bytes_to_string":
                return sizes[0].scaled(0.1), Estimate(sizes[0].min // 4, sizes[0].max)
            case "strings_quote":
                return sizes[0].scaled(0.1), Estimate(sizes[0].min + 2, min(sizes[0].max * 2 + 2, MOST))
            case "string_format":
                return target.scaled(0.1), target.plus(sizes[0])
            case "starts_with_string" | "ends_with_string":
                return sizes[0].scaled(0.1), None
            case "in_list":
                return sizes[1], None
            case "matches_string":
                return target.plus(ONE).scaled(0.1).times(sizes[0].scaled(0.25)), None
            case "contains_string":
                return target.scaled(0.1).times(sizes[0].scaled(0.1)), None
        return ONE, None


_COMPARED = frozenset(
    [
        "equals",
        "not_equals",
        *(
            f"{word}_{kind}"
            for word in ("less", "less_equals", "greater", "greater_equals")
            for kind in ("string", "bytes")
        ),
    ]
)
_Found = tuple[Estimate, Estimate | None] | None
_Rule = Callable[[_Estimator, Call, str], _Found]


def _sum(costs: list[Estimate]) -> Estimate:
    total = ZERO
    for cost in costs:
        total = total.plus(cost)
    return total


def _is_scalar(kind: Type) -> bool:
    return kind.kind in t.SCALARS or (t.is_optional(kind) and _is_scalar(kind.params[0]))


def _fixed(cost: int) -> _Rule:
    return lambda _, __, ___: (Estimate(cost, cost), None)


def _item_size(estimator: _Estimator, node: Node) -> Estimate:
    declared = estimator.declared.get(node)
    if declared is not None and declared.params and declared.elem.max_size is not None:
        return Estimate(0, declared.elem.max_size)
    return UNKNOWN


def _list_walk(estimator: _Estimator, node: Call, _: str) -> _Found:
    if node.target is None:
        return None
    size = estimator.size(node.target)
    if not node.target.type.params:
        return size.scaled(0.1), None
    each = ONE
    if node.target.type.elem.kind in ("string", "bytes"):
        each = each.plus(_item_size(estimator, node.target).scaled(0.1))
    return size.times(each), None


def _parsed(factor: float) -> _Rule:
    """A text that is given to a function of this name is read once (or twice)."""

    def rule(estimator: _Estimator, node: Call, _: str) -> _Found:
        return (ONE, None) if node.target is not None else (estimator.size(node.args[0]).scaled(factor), None)

    return rule


def _text(estimator: _Estimator, node: Call, _: str) -> _Found:
    if node.target is None:
        return None
    size = estimator.size(node.target)
    return size.scaled(0.1), size


def _split(estimator: _Estimator, node: Call, _: str) -> _Found:
    if node.target is None:
        return None
    size, most = estimator.size(node.target), estimator.size(node.target).max
    if len(node.args) > 1 and isinstance(limit := node.args[1], Literal) and type(limit.value) is int:
        most = limit.value if limit.value >= 0 else most
    return size.scaled(0.2), Estimate(0, most)


def _replace(estimator: _Estimator, node: Call, _: str) -> _Found:
    if node.target is None:
        return None
    size, old, new = (estimator.size(one) for one in (node.target, node.args[0], node.args[1]))
    if old.min == 0:
        most = size.max + 1, size.max
    elif new.max <= old.min:
        most = 0, size.max
    else:
        most = -(-size.max // old.min), 0
    if old.max == 0:
        least = size.min + 1, size.min
    elif old.max <= new.min:
        least = 0, size.min
    else:
        least = -(-size.min // old.max), 0
    count, kept = Estimate(least[0], min(most[0], MOST)), Estimate(least[1], most[1])
    return size.scaled(0.2), count.times(new).plus(kept)


def _join(estimator: _Estimator, node: Call, _: str) -> _Found:
    if node.target is None:
        return None
    length = estimator.size(node.target)
    size = length.times(_item_size(estimator, node.target)) if node.target.type.params else ZERO
    if node.args:
        gaps = Estimate(max(length.min - 1, 0), max(length.max - 1, 0))
        size = size.plus(estimator.size(node.args[0]).times(gaps))
    return size.scaled(0.1), size


def _find(estimator: _Estimator, node: Call, _: str) -> _Found:
    if node.target is None:
        return None
    size = estimator.size(node.target)
    cost = size.plus(ONE).scaled(0.1).times(estimator.size(node.args[0]).scaled(0.25))
    return cost, Estimate(0, size.max)


def _contains_address(estimator: _Estimator, node: Call, overload_id: str) -> _Found:
    cost = _ADDRESS.plus(_ADDRESS).scaled(0.1)
    if node.function == "containsCIDR":
        cost = cost.plus(_ADDRESS.scaled(0.1)).plus(ONE)
    if overload_id.endswith("_string"):
        cost = cost.plus(estimator.size(node.args[0]).scaled(0.1))
    return cost, None


def _sets(factor: int) -> _Rule:
    def rule(estimator: _Estimator, node: Call, _: str) -> _Found:
        left, right = (estimator.size(argument) for argument in node.args)
        return left.times(right).times(Estimate(factor, factor)).plus(ONE), None

    return rule


_RULES: dict[str, _Rule] = {
    "check": _fixed(350_000),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _list_walk),
    **dict.fromkeys(("url", "ip", "cidr", "isIP", "isCIDR", "quantity", "isQuantity"), _parsed(0.1)),
    "ip.isCanonical": _parsed(0.2),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _text),
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("containsIP", "containsCIDR"), _contains_address),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "sets.equivalent": _sets(2),
}
