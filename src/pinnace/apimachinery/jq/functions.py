"""The functions that queries may call, by name and number of arguments."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from pinnace.apimachinery.jq.errors import JqError
from pinnace.apimachinery.jq.filters import Filter, at, each, identity, recurse, then
from pinnace.apimachinery.jq.values import ARITHMETIC, COMPARISONS, is_true, kind_of, order


def _simple(work: Callable[[Any], Any]) -> Callable[[], Filter]:
    return lambda: lambda value: iter((work(value),))


def _with_argument(work: Callable[[Any, Any], Any]) -> Callable[[Filter], Filter]:
    return lambda argument: lambda value: (work(value, one) for one in argument(value))


def _of_text(work: Callable[[str, str], Any]) -> Callable[[Filter], Filter]:
    def checked(value: Any, argument: Any) -> Any:
        if not isinstance(value, str) or not isinstance(argument, str):
            raise JqError(f"{kind_of(value)} and {kind_of(argument)} cannot be matched as strings")
        return work(value, argument)

    return _with_argument(checked)


def _length(value: Any) -> Any:
    if isinstance(value, bool):
        raise JqError("boolean has no length")
    if value is None:
        return 0
    return abs(value) if isinstance(value, (int, float)) else len(value)


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return sorted(value)
    if isinstance(value, list):
        return list(range(len(value)))
    raise JqError(f"{kind_of(value)} has no keys")


def _has(value: Any, key: Any) -> bool:
    if isinstance(value, dict) and isinstance(key, str):
        return key in value
    if isinstance(value, list) and isinstance(key, int):
        return 0 <= key < len(value)
    raise JqError(f"cannot check whether {kind_of(value)} has a {kind_of(key)} key")


def _to_number(value: Any) -> Any:
    if kind_of(value) == "number":
        return value
    try:
        return json.loads(value) if isinstance(value, str) else int(value["number"])
    except (ValueError, TypeError, KeyError):
        raise JqError(f"cannot parse {json.dumps(value)} as a number") from None


def _to_string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, dict) and isinstance(part, dict):
        return all(key in value and _contains(value[key], part[key]) for key in part)
    if isinstance(value, list) and isinstance(part, list):
        return all(any(_contains(one, wanted) for one in value) for wanted in part)
    if isinstance(value, str) and isinstance(part, str):
        return part in value
    return COMPARISONS["=="](value, part)


def _add(value: Any) -> Any:
    total: Any = None
    for one in each(value):
        total = ARITHMETIC["+"](total, one)
    return total


def _test(value: str, pattern: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error as error:
        raise JqError(f"invalid regular expression {pattern!r}: {error}") from None


def _select(condition: Filter) -> Filter:
    return lambda value: (value for one in condition(value) if is_true(one))


def _first(inner: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        for one in inner(value):
            yield one
            return

    return run


def _last(inner: Filter) -> Filter:
    return lambda value: iter(list(inner(value))[-1:])


def _verdict(judge: Callable[[Iterator[bool]], bool], inner: Filter) -> Filter:
    return lambda value: iter((judge(is_true(result) for one in each(value) for result in inner(one)),))


def _sorted_by(key: Filter) -> Filter:
    return lambda value: iter((sorted(each(value), key=lambda one: [order(k) for k in key(one)]),))


def _extreme(choose: Callable[..., Any], key: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        items = list(each(value))
        yield choose(items, key=lambda one: [order(k) for k in key(one)]) if items else None

    return run


def _error(message: Any) -> Any:
    raise JqError(_to_string(message))


FUNCTIONS: dict[tuple[str, int], Callable[..., Filter]] = {
    ("empty", 0): lambda: lambda _: iter(()),
    ("error", 0): _simple(_error),
    ("error", 1): _with_argument(lambda _, message: _error(message)),
    ("not", 0): _simple(lambda value: not is_true(value)),
    ("length", 0): _simple(_length),
    ("keys", 0): _simple(_keys),
    ("values", 0): lambda: _select(_simple(lambda value: value is not None)()),
    ("nulls", 0): lambda: _select(_simple(lambda value: value is None)()),
    ("type", 0): _simple(kind_of),
    ("tostring", 0): _simple(_to_string),
    ("tonumber", 0): _simple(_to_number),
    ("add", 0): _simple(_add),
    ("any", 0): lambda: _verdict(any, identity),
    ("all", 0): lambda: _verdict(all, identity),
    ("any", 1): lambda inner: _verdict(any, inner),
    ("all", 1): lambda inner: _verdict(all, inner),
    ("first", 0): lambda: then(identity, lambda value: iter((at(value, 0),))),
    ("last", 0): lambda: then(identity, lambda value: iter((at(value, -1),))),
    ("first", 1): _first,
    ("last", 1): _last,
    ("select", 1): _select,
    ("map", 1): lambda inner: lambda value: iter(([result for one in each(value) for result in inner(one)],)),
    ("has", 1): _with_argument(_has),
    ("contains", 1): _with_argument(_contains),
    ("inside", 1): _with_argument(lambda value, whole: _contains(whole, value)),
    ("startswith", 1): _of_text(str.startswith),
    ("endswith", 1): _of_text(str.endswith),
    ("test", 1): _of_text(_test),
    ("split", 1): _of_text(str.split),
    ("ltrimstr", 1): _with_argument(
        lambda value, part: value.removeprefix(part) if isinstance(value, str) and isinstance(part, str) else value
    ),
    ("rtrimstr", 1): _with_argument(
        lambda value, part: value.removesuffix(part) if isinstance(value, str) and isinstance(part, str) else value
    ),
    ("join", 1): _with_argument(lambda value, by: by.join("" if x is None else _to_string(x) for x in each(value))),
    ("ascii_downcase", 0): _simple(lambda value: _to_string(value).lower()),
    ("ascii_upcase", 0): _simple(lambda value: _to_string(value).upper()),
    ("floor", 0): _simple(lambda value: int(_to_number(value) // 1)),
    ("ceil", 0): _simple(lambda value: -int(-_to_number(value) // 1)),
    ("sort", 0): lambda: _sorted_by(identity),
    ("sort_by", 1): _sorted_by,
    ("min", 0): lambda: _extreme(min, identity),
    ("max", 0): lambda: _extreme(max, identity),
    ("min_by", 1): lambda key: _extreme(min, key),
    ("max_by", 1): lambda key: _extreme(max, key),
    ("unique", 0): _simple(lambda value: [one for n, one in enumerate(sorted(each(value), key=order))
                                           if not n or order(one) != order(sorted(value, key=order)[n - 1])]),
    ("reverse", 0): _simple(lambda value: list(reversed(list(each(value))))),
    ("recurse", 0): lambda: recurse,
    ("to_entries", 0): _simple(lambda value: [{"key": key, "value": value[key]} for key in _keys(value)]),
    ("tojson", 0): _simple(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False)),
}  # fmt: skip
