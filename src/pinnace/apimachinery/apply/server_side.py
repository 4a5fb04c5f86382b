"""Server-side apply: merge what a manager declares into the live object, by owner of each field.

What the manager declared before and no longer does goes, unless somebody else owns it too. A value that another manager
owns and that would change is a conflict, which `force` decides for the one who applies.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import orjson

from pinnace.apimachinery import errors, times
from pinnace.apimachinery.apply import fields
from pinnace.apimachinery.apply.comparison import Comparison, compare, fields_of, nulls_of
from pinnace.apimachinery.apply.entries import Entries, Entry, Owner
from pinnace.apimachinery.apply.fields import Fields
from pinnace.apimachinery.apply.managed_fields import SERVERS_METADATA, default_ignored, ownable
from pinnace.apimachinery.apply.merge import merged, with_named_ancestors, without
from pinnace.apimachinery.apply.typed import check_typed
from pinnace.apimachinery.copies import deep_copy
from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]

BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def apply(
    live: Object | None,
    applied: Object,
    *,
    manager: str,
    force: bool = False,
    now: datetime,
    api_version: str,
    subresource: str = "",
    schema: Schema | None,
    ignored: Collection[str] | None = None,
) -> Object:
    """The new object, private to the caller; equal to `live` when nothing changes.

    Raises Conflict with one cause for each field, BadRequest for a configuration that does not fit the schema.
    """
    _check(applied, api_version)
    check_typed(applied, schema)
    ignored = default_ignored({**(live or {}), **applied}, subresource) if ignored is None else ignored
    attempt = _Attempt(live, applied, Owner(manager, "Apply", api_version, subresource), ignored, schema)
    conflicts = attempt.conflicts()
    if conflicts and not force:
        allowed = attempt.allowed_by_last_applied() if manager == "kubectl" else {}
        remaining = {
            owner: left for owner, lost in conflicts.items() if (left := fields.difference(lost, allowed))
        }
        if remaining:
            raise _conflict(remaining)
    return attempt.result(now)


def _check(applied: Object, api_version: str) -> None:
    given = applied.get("apiVersion")
    if given != api_version:
        raise errors.BadRequest(
            f"Incorrect version specified in apply patch. Specified patch version: {given}, expected: {api_version}"
        )
    metadata = applied.get("metadata") or {}
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")


def _declarable(applied: Object, ignored: Collection[str]) -> Object:
    """The configuration without what is the server's to say; a resourceVersion or uid stays, for the caller to check."""
    view = {name: value for name, value in applied.items() if name not in ignored}
    metadata = view.get("metadata")
    if isinstance(metadata, dict):
        view["metadata"] = {name: value for name, value in metadata.items() if name not in SERVERS_METADATA}
    return view


class _Attempt:
    """One apply: the merged object, who owns what, and what would change."""

    def __init__(
        self, live: Object | None, applied: Object, owner: Owner, ignored: Collection[str], schema: Schema | None
    ) -> None:  # fmt: skip
        self._live, self._owner, self._ignored, self._schema = live, owner, ignored, schema
        self._applied = _declarable(applied, ignored)
        self._entries = self._owners_of_live()
        self._last = self._entries.get(owner)
        self._declared = fields_of(ownable(self._applied), schema)
        self._merged = self._pruned(merged(live or {}, self._applied, schema))
        self._changes = self._compare()

    def _owners_of_live(self) -> Entries:
        if self._live is None:
            return Entries()
        entries = Entries.of(self._live.get("metadata", {}).get("managedFields"))
        if not len(entries):  # nobody kept books: what is there belongs to one before us all
            owner = Owner(BEFORE_FIRST_APPLY, "Update", self._owner.api_version, self._owner.subresource)
            known = compare({}, ownable(self._live, self._ignored), self._schema)
            entries.put(Entry(owner, known.added))
        return entries

    def _pruned(self, obj: Object) -> Object:
        """Without what this manager applied before, does not any more, and nobody else owns."""
        if self._last is None or self._last.fields == self._declared:
            return obj
        kept: Fields = fields.union({"f:metadata": {}}, self._declared)
        for entry in self._entries:
            if entry.owner.identity != self._owner.identity:
                kept = fields.union(kept, entry.fields)
        before = with_named_ancestors(self._last.fields, self._schema)
        doomed = fields.difference(before, with_named_ancestors(kept, self._schema))
        return without(obj, doomed, self._schema) or {}

    def _compare(self) -> Comparison:
        return compare(
            ownable(self._live or {}, self._ignored), ownable(self._merged, self._ignored), self._schema
        )

    def conflicts(self) -> dict[Owner, Fields]:
        """For each other owner, its fields whose values would change; null in the configuration counts as a change."""
        nulled = fields.intersection(self._changes.removed, nulls_of(self._applied, self._schema))
        changed = fields.union(fields.union(self._changes.modified, self._changes.added), nulled)
        found = {}
        for entry in self._entries:
            if entry.owner.identity != self._owner.identity:
                lost = fields.intersection(entry.fields, changed)
                if lost:
                    found[entry.owner] = lost
        return found

    def allowed_by_last_applied(self) -> Fields:
        """kubectl may take over what kubectl itself wrote before by client-side apply, as its annotation proves."""
        annotations = ((self._live or {}).get("metadata") or {}).get("annotations") or {}
        try:
            previous = orjson.loads(annotations.get(LAST_APPLIED, ""))
        except orjson.JSONDecodeError:
            return {}
        return fields_of(ownable(previous), self._schema) if isinstance(previous, dict) else {}

    def result(self, now: datetime) -> Object:
        entries = Entries(self._entries)
        gained = fields.union(self._changes.added, self._changes.modified)
        entries.take_away(fields.union(gained, self._changes.removed), but_from=self._owner)
        owned_before = self._last.fields if self._last else None
        is_news = not self._changes.is_empty or owned_before != self._declared
        time = times.format_time(now) if is_news or self._last is None else self._last.time
        entries.put(Entry(self._owner, self._declared, time))
        new: Object = deep_copy(self._merged)
        self._refresh_last_applied(new)
        metadata = new.setdefault("metadata", {})
        metadata["managedFields"] = entries.as_list()
        if not metadata["managedFields"]:
            del metadata["managedFields"]
        return new

    def _refresh_last_applied(self, new: Object) -> None:
        """Keep kubectl's annotation of client-side apply true while kubectl applies on the server."""
        annotations = (new.get("metadata") or {}).get("annotations") or {}
        if self._owner.manager == "kubectl" and annotations.get(LAST_APPLIED) and not self._owner.subresource:
            annotations[LAST_APPLIED] = _as_go_writes(self._applied)


def _as_go_writes(value: Object) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    for char, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escape)
    return f"{text}\n"


def _conflict(conflicts: dict[Owner, Fields]) -> errors.Conflict:
    found = sorted((str(owner), path) for owner, lost in conflicts.items() for path in fields.paths(lost))
    causes = tuple(
        errors.Cause("FieldManagerConflict", f"conflict with {owner}", fields.path_text(path))
        for owner, path in found
    )
    if len(found) == 1:
        ((owner, path),) = found
        text = f"Apply failed with 1 conflict: conflict with {owner}: {fields.path_text(path)}"
        return errors.Conflict(text, causes=causes)
    lines: list[str] = []
    for owner in dict.fromkeys(owner for owner, _ in found):
        lines.append(f"conflicts with {owner}:")
        lines += [f"- {fields.path_text(path)}" for other, path in found if other == owner]
    return errors.Conflict(f"Apply failed with {len(found)} conflicts: " + "\n".join(lines), causes=causes)
