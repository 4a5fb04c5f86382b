"""The resources of one kustomization, in the order in which they came, each id once."""

import re
from collections.abc import Callable
from typing import Any

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.identity import Id
from pinnace.cli.kustomize.resource import Resource

Object = dict[str, Any]


class ResourceSet:
    def __init__(self) -> None:
        self.items: list[Resource] = []

    def append(self, one: Resource) -> None:
        if self.with_id(one.id):
            raise BuildError(f"may not add resource with an already registered id: {one.id}")
        self.items.append(one)

    def append_all(self, others: "list[Resource]") -> None:
        for one in others:
            self.append(one)

    def with_id(self, wanted: Id) -> list[Resource]:
        return [one for one in self.items if wanted.same(one.id)]

    def with_any_id(self, matches: Callable[[Id], bool]) -> list[Resource]:
        """Those that have or had such an id."""
        return [one for one in self.items if any(matches(known) for known in one.ids)]

    def the_one(self, wanted: Id) -> Resource:
        found = self.with_any_id(wanted.same)
        if len(found) != 1:
            what = "multiple" if found else "no"
            raise BuildError(
                f"{what} matches for Id {wanted}; failed to find unique target for patch {wanted}"
            )
        return found[0]

    # --- what generators make

    def absorb(self, made: Resource) -> None:
        """Add it, or let it merge with or replace the one of its name, as its behavior says."""
        wanted = made.id
        found = self.with_any_id(wanted.same)
        changes = made.behavior in ("merge", "replace")
        if not found:
            if changes:
                raise BuildError(f"id {wanted.go_text} does not exist; cannot merge or replace")
            self.append(made)
            return
        if len(found) > 1:
            raise BuildError(f"found multiple objects {found} that could accept merge of {wanted}")
        if not changes:
            raise BuildError(f"id {wanted.go_text} exists; behavior must be merge or replace")
        old = found[0]
        _inherit(made, old)
        if made.behavior == "merge":
            for field in ("data", "binaryData"):
                merged = {**(old.obj.get(field) or {}), **(made.obj.get(field) or {})}
                if merged:
                    made.obj[field] = merged
        self.items[self.items.index(old)] = made

    # --- targets of patches

    def select(self, selector: Object) -> list[Resource]:
        """Those that a patch's target names: regular expressions over ids, selectors over labels and annotations."""
        patterns = {key: _anchored(str(selector.get(key) or "")) for key in ("group", "version", "kind", "name", "namespace")}  # fmt: skip
        return [one for one in self.items if _is_target(one, selector, patterns)]


def _inherit(made: Resource, old: Resource) -> None:
    """The old one's name, history, labels and annotations, the latter two overlaid by its own."""
    metadata = made.metadata
    for field in ("labels", "annotations"):
        merged = {**(old.metadata.get(field) or {}), **(metadata.get(field) or {})}
        if merged:
            metadata[field] = merged
    metadata["name"] = old.name
    if old.namespace:
        metadata["namespace"] = old.namespace
    made.previous = list(old.previous)
    made.prefixes, made.suffixes = list(old.prefixes), list(old.suffixes)
    made.behavior = made.behavior or old.behavior


def _anchored(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(f"^(?:{pattern})$" if pattern else "")
    except re.error as error:
        raise BuildError(f"error parsing regexp: {_go_words(error, pattern)}") from error


def _go_words(error: re.error, pattern: str) -> str:
    words = {
        "unterminated character set": "missing closing ]",
        "missing ), unterminated subpattern": "missing closing )",
    }
    if error.msg == "unterminated character set":
        return f"missing closing ]: `{pattern[(error.pos or 4) - 4 :]})$`"
    return f"{words.get(error.msg, error.msg)}: `^(?:{pattern})$`"


def _is_target(one: Resource, selector: Object, patterns: dict[str, re.Pattern[str]]) -> bool:
    original, present = one.original_id, one.id
    namespaces = (original.effective_namespace, present.effective_namespace)
    if not any(patterns["namespace"].search(found) for found in namespaces):
        return False
    if not any(patterns["name"].search(found) for found in (original.name, present.name)):
        return False
    gvk = present.gvk
    for key, value in (("group", gvk.group), ("version", gvk.version), ("kind", gvk.kind)):
        if not patterns[key].search(value):
            return False
    return matches_selector(one.labels(), selector.get("labelSelector")) and matches_selector(
        one.annotations(), selector.get("annotationSelector")
    )


def matches_selector(labels: dict[str, str], text: str | None) -> bool:
    if not text:
        return True
    from pinnace.api.selector_text import parse

    return parse(text).matches(labels)
