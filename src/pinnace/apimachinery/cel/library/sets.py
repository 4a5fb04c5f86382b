"""Lists taken as sets."""

from typing import Any

from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.library.operators import contains


def has_all(items: list[Any], wanted: list[Any]) -> bool:
    return all(contains(item, items) for item in wanted)


ROWS: tuple[Row, ...] = (
    ("sets.contains", "list_sets_contains_list", "(list(T), list(T)) -> bool", has_all),
    (
        "sets.equivalent",
        "list_sets_equivalent_list",
        "(list(T), list(T)) -> bool",
        lambda a, b: has_all(a, b) and has_all(b, a),
    ),
    (
        "sets.intersects",
        "list_sets_intersects_list",
        "(list(T), list(T)) -> bool",
        lambda a, b: any(contains(item, a) for item in b),
    ),
)
