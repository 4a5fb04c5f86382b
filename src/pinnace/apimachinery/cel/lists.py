"""Lists that a schema declares as sets or maps: they compare without order, and adding merges."""

from collections.abc import Callable
from typing import Any

from pinnace.apimachinery.cel.library.operators import contains
from pinnace.apimachinery.cel.types import Type
from pinnace.apimachinery.cel.values import equals, no_such_overload


def _key_of(keys: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda item: tuple(item.get(key) for key in keys)


def equality(kind: Type, wanted: bool) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        if not isinstance(left, list) or not isinstance(right, list):
            return not wanted
        if len(left) != len(right):
            return not wanted
        if kind.list_type == "set":
            same = all(contains(item, right) for item in left)
        else:
            key_of = _key_of(kind.list_keys)
            others = {key_of(item): item for item in right}
            same = all((key := key_of(item)) in others and equals(item, others[key]) for item in left)
        return same is wanted

    return run


def adder(kind: Type) -> Callable[[Any, Any], Any]:
    """Items of the right replace those of the left that are the same, in place; new ones follow."""

    def run(left: Any, right: Any) -> Any:
        if not isinstance(left, list) or not isinstance(right, list):
            raise no_such_overload()
        if kind.list_type == "set":
            return left + [item for item in right if not contains(item, left)]
        key_of = _key_of(kind.list_keys)
        merged = {key_of(item): item for item in left}
        merged.update((key_of(item), item) for item in right)
        return list(merged.values())

    return run
