"""The folds of macros as loops. Per element they charge what upstream's expansion of the macro costs."""

from collections.abc import Callable, Iterator
from typing import Any

from pinnace.apimachinery.cel.costs import LIST_COST
from pinnace.apimachinery.cel.errors import BudgetExceeded, EvaluationError
from pinnace.apimachinery.cel.frame import Frame, Run
from pinnace.apimachinery.cel.library.operators import map_insert
from pinnace.apimachinery.cel.values import iterate, no_such_overload, pairs

Loop = Callable[[Run, list[int], list[Run]], Run]


def _walk(f: Frame, value: Any, slots: list[int], per_element: int) -> Iterator[None]:
    """Sets the loop's variables for one element after the other."""
    if len(slots) == 1:
        slot = slots[0]
        for element in iterate(value):
            f.slots[slot] = element
            f.charge(per_element)
            yield
    else:
        first, second = slots
        for f.slots[first], f.slots[second] in pairs(value):
            f.charge(per_element)
            yield


def _verdict(f: Frame, predicate: Run) -> bool:
    verdict = predicate(f)
    if verdict is True or verdict is False:
        return bool(verdict)
    raise no_such_overload()


def _until(wanted: bool, per_element: int) -> Loop:
    """all, exists: ends at the first element that decides; an error counts only if no element does."""

    def plan(range_run: Run, slots: list[int], parts: list[Run]) -> Run:
        predicate = parts[0]

        def run(f: Frame) -> bool:
            error: EvaluationError | None = None
            elements = _walk(f, range_run(f), slots, per_element)
            for _ in elements:
                try:
                    if _verdict(f, predicate) is wanted:
                        # a further element costs upstream one more look at the condition; else only the result counts
                        if next(elements, elements) is not None:
                            f.cost += 1
                        return wanted
                except BudgetExceeded:
                    raise
                except EvaluationError as failure:
                    error = error or failure
            f.cost += 1
            if error:
                raise error
            return not wanted

        return run

    return plan


def _exists_one(range_run: Run, slots: list[int], parts: list[Run]) -> Run:
    predicate = parts[0]

    def run(f: Frame) -> bool:
        found = 0
        for _ in _walk(f, range_run(f), slots, 0):
            if _verdict(f, predicate):
                f.charge(2)
                found += 1
        f.cost += 2
        return found == 1

    return run


def _collect(range_run: Run, slots: list[int], parts: list[Run]) -> Run:
    one, guard = parts[0], parts[1] if len(parts) > 1 else None

    def run(f: Frame) -> list[Any]:
        found: list[Any] = []
        for _ in _walk(f, range_run(f), slots, 0):
            if guard is None or _verdict(f, guard):
                f.charge(LIST_COST + 2)
                found.append(one(f))
        f.cost += 1
        return found

    return run


def _insert(entries: bool) -> Loop:
    """transformMap, and transformMapEntry whose expression makes whole entries."""

    def plan(range_run: Run, slots: list[int], parts: list[Run]) -> Run:
        one, guard = parts[0], parts[1] if len(parts) > 1 else None

        def run(f: Frame) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for _ in _walk(f, range_run(f), slots, 0):
                if guard is not None and not _verdict(f, guard):
                    continue
                f.charge(2 if entries else 3)
                added = one(f)
                if not entries:
                    added = {f.slots[slots[0]]: added}
                elif not isinstance(added, dict):
                    raise no_such_overload()
                for key, value in added.items():
                    if key in made:
                        map_insert(made, key, value)  # says what is wrong
                    made[key] = value
            f.cost += 1
            return made

        return run

    return plan


LOOPS: dict[str, Loop] = {
    "all": _until(False, 3),
    "exists": _until(True, 4),
    "exists_one": _exists_one,
    "map": _collect,
    "filter": _collect,
    "transformMap": _insert(entries=False),
    "transformMapEntry": _insert(entries=True),
}
