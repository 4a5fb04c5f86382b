"""Which objects have a certain label or field value: kept only for the labels and fields that selectors ask for.

The first selector that demands values of a label (`app=web`, `app in (a,b)`) or of a field (`spec.nodeName=n1`) has the
index of it built in one pass; from then on changes keep it current. A resource that nobody selects from pays nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.scope import NAME, NAMESPACE, Scope

MOST_TERMS = 24  # labels and fields indexed at a time; the one that was not asked for longest makes room


class Term(NamedTuple):
    source: Literal["label", "field"]
    path: str

    def value_of(self, item: Item) -> str | None:
        values: Mapping[str, str] = item.labels if self.source == "label" else item.fields
        return values.get(self.path)


class Index:
    """The objects are those of the `items` that is passed to `candidates`; `replace` must hear of every change."""

    def __init__(self) -> None:
        self._terms: dict[Term, dict[str, dict[str, Item]]] = {}

    def clear(self) -> None:
        self._terms = {}

    def replace(self, old: Item | None, new: Item | None) -> None:
        for term, by_value in self._terms.items():
            before = term.value_of(old) if old is not None else None
            after = term.value_of(new) if new is not None else None
            if old is not None and before is not None and before != after:
                group = by_value[before]
                del group[old.key]
                if not group:
                    del by_value[before]
            if new is not None and after is not None:
                by_value.setdefault(after, {})[new.key] = new

    def candidates(self, scope: Scope, items: Mapping[str, Item]) -> list[Item] | None:
        """The fewest items, in key order, among which all that the scope selects are; None when an index is no help."""
        best: list[dict[str, Item]] | None = None
        size = len(items) // 2  # beyond that it is quicker to look at all of them in their order
        for term, values in _demands(scope):
            by_value = self._indexed(term, items)
            groups = [by_value[value] for value in values if value in by_value]
            found = sum(map(len, groups))
            if found <= size:
                best, size = groups, found
        if best is None:
            return None
        return sorted((item for group in best for item in group.values()), key=lambda item: item.key)

    def _indexed(self, term: Term, items: Mapping[str, Item]) -> dict[str, dict[str, Item]]:
        by_value = self._terms.pop(term, None)
        if by_value is None:
            by_value = {}
            for item in items.values():
                value = term.value_of(item)
                if value is not None:
                    by_value.setdefault(value, {})[item.key] = item
            if len(self._terms) >= MOST_TERMS:
                del self._terms[next(iter(self._terms))]
        self._terms[term] = by_value  # at the end: asked for last
        return by_value


def _demands(scope: Scope) -> Iterable[tuple[Term, Iterable[str]]]:
    """Terms of which every selected item has one of some values."""
    for requirement in scope.labels.requirements:
        if requirement.operator == "In":
            yield Term("label", requirement.key), requirement.values
    for field in scope.fields:
        # A field without a value counts as "", which items need not carry; names are in the keys.
        if not field.negated and field.value and field.path not in (NAME, NAMESPACE):
            yield Term("field", field.path), (field.value,)
