"""Filters, which make any number of outputs of one input, and what puts them together."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from pinnace.apimachinery.jq.errors import JqError
from pinnace.apimachinery.jq.values import is_true, kind_of

Filter = Callable[[Any], Iterator[Any]]


def identity(value: Any) -> Iterator[Any]:
    yield value


def constant(wanted: Any) -> Filter:
    return lambda _: iter((wanted,))


def then(first: Filter, second: Filter) -> Filter:
    return lambda value: (result for between in first(value) for result in second(between))


def forgiving(inner: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        try:
            yield from inner(value)
        except JqError:
            return

    return run


def field(name: str) -> Filter:
    return lambda value: iter((at(value, name),))


def at(value: Any, key: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and isinstance(key, str):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, (int, float)) and not isinstance(key, bool):
        return value[int(key)] if -len(value) <= key < len(value) else None
    raise JqError(f"cannot index {kind_of(value)} with {json.dumps(key)}")


def each(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    if isinstance(value, list):
        return iter(value)
    raise JqError(f"cannot iterate over: {kind_of(value)}")


def sliced(base: Filter, start: Filter, end: Filter) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        for found in base(value):
            if found is not None and not isinstance(found, (list, str)):
                raise JqError(f"cannot slice {kind_of(found)}")
            for last in end(value):
                for first in start(value):
                    yield None if found is None else found[first:last]

    return run


def recurse(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, (dict, list)):
        for one in each(value):
            yield from recurse(one)


def both(left: Filter, right: Filter, decide: Callable[[bool, bool], bool]) -> Filter:
    def run(value: Any) -> Iterator[Any]:
        for one in left(value):
            first = is_true(one)
            if decide(first, False) == decide(first, True):  # the other side does not matter
                yield first
                continue
            for other in right(value):
                yield is_true(other)

    return run


def product(combine: Callable[[Any, Any], Any], left: Filter, right: Filter) -> Filter:
    return lambda value: (combine(one, other) for other in right(value) for one in left(value))
