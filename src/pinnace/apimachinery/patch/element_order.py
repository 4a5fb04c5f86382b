"""The order of a list after a strategic merge: as the patch says where it speaks, else as the server had it."""

from collections.abc import Sequence
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apimachinery.patch.go_text import go_text


def _identity(item: Any, merge_key: str) -> Any:
    value = item.get(merge_key) if isinstance(item, dict) and merge_key else item
    return str(value) if isinstance(value, dict | list) else value


def restored(merged: list[Any], order: Sequence[Any], original: Sequence[Any], merge_key: str) -> list[Any]:
    """Sort: elements named in `order` follow it; the others keep their place among those that were there before."""
    wanted = _positions(order, merge_key)
    before = _positions(original, merge_key)

    def place(item: Any, places: dict[Any, int]) -> int:
        return places.get(_identity(item, merge_key), len(places))

    named = [item for item in merged if _identity(item, merge_key) in wanted]
    others = [item for item in merged if _identity(item, merge_key) not in wanted]
    named.sort(key=lambda item: place(item, wanted))
    others.sort(key=lambda item: place(item, before))
    return _interleaved(others, named, before, merge_key)


def _positions(items: Sequence[Any], merge_key: str) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for position, item in enumerate(items):
        places.setdefault(_identity(item, merge_key), position)
    return places


def _interleaved(others: list[Any], named: list[Any], before: dict[Any, int], merge_key: str) -> list[Any]:
    """An element of `others` goes first only when it stood before the next of `named`; both orders are kept."""
    result: list[Any] = []
    rest = others[::-1]
    for item in named:
        mine = before.get(_identity(item, merge_key))
        while rest and mine is not None and before.get(_identity(rest[-1], merge_key), mine) < mine:
            result.append(rest.pop())
        result.append(item)
    return result + rest[::-1]


def check_patch_follows(patch: Sequence[Any], order: Sequence[Any], merge_key: str) -> None:
    """What a patch holds must appear in its own $setElementOrder, in that order; raises BadRequest."""
    places = _positions(order, merge_key)
    found = [places.get(_identity(item, merge_key)) for item in patch]
    known = [place for place in found if place is not None]
    if len(known) != len(found) or known != sorted(known):
        raise errors.BadRequest(
            f"The order in patch list:\n{go_text(list(patch))}\n doesn't match $setElementOrder list:\n{go_text(list(order))}\n"
        )
