"""What calls cost at run time, in upstream's units; the planner adds them up while it evaluates.

https://github.com/google/cel-go interpreter/runtimecost.go and Kubernetes' library/cost.go fix the figures.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pinnace.apimachinery.cel.values import size_of, traversal_cost

PER_CALL_LIMIT = 1_000_000
_FREE_GROWTH = 1000
LIST_COST, MAP_COST, STRUCT_COST = 10, 30, 40
Charge = Callable[[Sequence[Any], Any], int]


def tenth(size: int) -> int:
    """A traversal of `size` characters."""
    return -(-size // 10)


def _first(factor: int) -> Charge:
    return lambda args, _: -(-size_of(args[0]) * factor // 10)


def _pattern(args: Sequence[Any], _: Any) -> int:
    return tenth(1 + size_of(args[0])) * -(-size_of(args[1]) // 4)


def _contains_address(args: Sequence[Any], _: Any) -> int:
    parsed = tenth(size_of(args[1])) if isinstance(args[1], str) else 0
    return tenth(2 * size_of(args[0])) + parsed


def _contains_block(args: Sequence[Any], _: Any) -> int:
    return _contains_address(args, _) + tenth(size_of(args[0])) + 1


def _check(_: Sequence[Any], __: Any) -> int:
    return 350_000


def _shorter(args: Sequence[Any], _: Any) -> int:
    return tenth(min(size_of(args[0]), size_of(args[1])))


def _both(args: Sequence[Any], _: Any) -> int:
    return tenth(size_of(args[0]) + size_of(args[1]))


def _join(args: Sequence[Any], _: Any) -> int:
    """Of the result, before it is made."""
    gaps = max(len(args[0]) - 1, 0) * (len(args[1]) if len(args) > 1 else 0)
    return -(-(sum(map(size_of, args[0])) + gaps) * 2 // 10)


def _replace(args: Sequence[Any], _: Any) -> int:
    """As upstream of the text; what a result has grown beyond that is charged too, because it takes memory here."""
    text, old, new = args[:3]
    found = text.count(old)
    grown = found * (len(new) - len(old)) - len(text) - _FREE_GROWTH
    return -(-len(text) * 2 // 10) + max(0, grown) // 10


def _add_lists(args: Sequence[Any], _: Any) -> int:
    """Upstream does not copy lists: one unit. Here long ones cost what copying them takes."""
    return 1 + (size_of(args[0]) + size_of(args[1])) // _FREE_GROWTH


def _sets(factor: int) -> Charge:
    return lambda args, _: 1 + size_of(args[0]) * size_of(args[1]) * factor


_BY_FUNCTION: dict[str, Charge] = {
    "check": _check,
    **dict.fromkeys(
        ("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), lambda args, _: traversal_cost(args[0])
    ),
    **dict.fromkeys(
        ("url", "lowerAscii", "upperAscii", "substring", "trim", "cidr", "isIP", "isCIDR"), _first(1)
    ),
    **dict.fromkeys(("quantity", "isQuantity"), _first(1)),
    **dict.fromkeys(("split", "ip.isCanonical"), _first(2)),
    "replace": _replace,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _pattern),
    "ip": lambda args, _: tenth(size_of(args[0])) if isinstance(args[0], str) else 1,
    "containsIP": _contains_address,
    "containsCIDR": _contains_block,
    **dict.fromkeys(("sets.contains", "sets.intersects"), _sets(1)),
    "sets.equivalent": _sets(2),
}
_BY_OVERLOAD: dict[str, Charge] = {
    **dict.fromkeys(("string_to_bytes", "bytes_to_string", "strings_quote", "string_format"), _first(1)),
    **dict.fromkeys(("starts_with_string", "ends_with_string"), _first(1)),
    "in_list": lambda args, _: size_of(args[1]),
    **dict.fromkeys(
        (f"{word}_{kind}" for word in ("less", "less_equals", "greater", "greater_equals") for kind in ("string", "bytes")),
        _shorter,
    ),
    **dict.fromkeys(("equals", "not_equals"), _shorter),
    **dict.fromkeys(("add_string", "add_bytes"), _both),
    "add_list": _add_lists,
    **dict.fromkeys(("matches_string", "matches"), _pattern),
    "contains_string": lambda args, _: tenth(size_of(args[0])) * tenth(size_of(args[1])),
}  # fmt: skip


def charge_of(function: str, overload_ids: Sequence[str]) -> Charge | None:
    """How to charge for a call; None means one unit. What is ambiguous until run time costs one unit, as upstream."""
    if function in _BY_FUNCTION:
        return _BY_FUNCTION[function]
    return _BY_OVERLOAD.get(overload_ids[0]) if len(overload_ids) == 1 else None
