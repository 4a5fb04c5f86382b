"""Bookkeeping of `metadata.managedFields` on creates, updates and patches.

Whoever changes a field owns it from then on, and everybody else loses it. Who writes a subresource gets an entry of its
own. Fields that every write carries (name, uid, resourceVersion...) have no owner.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from pinnace.apimachinery import times
from pinnace.apimachinery.apply import fields
from pinnace.apimachinery.apply.comparison import Comparison, compare
from pinnace.apimachinery.apply.entries import Entries, Entry, Owner
from pinnace.apimachinery.remembered import Remembered
from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]

_UNOWNED_TOP = frozenset(("apiVersion", "kind"))
SERVERS_METADATA = frozenset(
    ("creationTimestamp", "selfLink", "clusterName", "generation", "managedFields")
)  # fmt: skip
_UNOWNED_METADATA = SERVERS_METADATA | {"name", "namespace", "resourceVersion", "uid"}


def record_update(
    old: Object | None,
    new: Object,
    *,
    manager: str,
    now: datetime,
    api_version: str,
    subresource: str = "",
    schema: Schema | None,
    ignored: Collection[str] | None = None,
    remembered: Remembered[tuple[Schema | None, Comparison]] | None = None,
) -> None:
    """Set `new.metadata.managedFields` for a write by `manager` that turned `old` (None: a create) into `new`.

    `ignored` names the top-level fields that this write does not change whatever it says; by default `status`, or
    all but `status` for the status subresource. `remembered` keeps what creations from one template have in common. Sending `managedFields: [{}]`
    clears the bookkeeping for good; `[]` does not, so that clients which know nothing of it do not.
    """
    if old is None and remembered is not None and not (new.get("metadata") or {}).get("managedFields"):
        unchanged = default_ignored(new, subresource) if ignored is None else ignored
        changes = _created(ownable(new, unchanged), schema, api_version, remembered)
        if not changes.modified:  # there is nobody to take anything from
            owner = Owner(manager, "Update", api_version, subresource)
            _store(
                new, Entries([Entry(owner, changes.added, times.format_time(now))] if changes.added else ())
            )
            return
    entries = _starting_point(old, new, subresource)
    if entries is None:
        _store(new, Entries())
        return
    if ignored is None:
        ignored = default_ignored({**(old or {}), **new}, subresource)
    owner, time = Owner(manager, "Update", api_version, subresource), times.format_time(now)
    changes = compare(ownable(old or {}, ignored), ownable(new, ignored), schema)
    record(entries, changes, owner, time)
    entries.cap()
    _store(new, entries)


def _created(
    new: Object,
    schema: Schema | None,
    api_version: str,
    remembered: Remembered[tuple[Schema | None, Comparison]],
) -> Comparison:
    """All of a new object; it depends on the shape alone, which is the same for many objects."""
    key = remembered.key(api_version, {name: _shape(value, name) for name, value in new.items()})
    known = remembered.get(key)
    if known is None or known[0] is not schema:
        known = remembered.put(key, (schema, compare({}, new, schema)))
    return known[1]


def _shape(value: Any, name: str = "") -> Any:
    """What the owned fields of a new value depend on: 0 for a plain value, the keys of a map of such, the whole of all else."""
    if type(value) is list:
        return [value]  # so that it reads as no list of keys
    if type(value) is not dict:
        return 0
    if name == "metadata":  # labels and annotations are maps; owners, the same for all objects of one owner
        return {part: _shape(entry) for part, entry in value.items()}
    for entry in value.values():
        if type(entry) is dict or type(entry) is list:
            return value
    return list(value)


def record(entries: Entries, changes: Comparison, owner: Owner, time: str) -> None:
    """Give what was added or modified to `owner`, and take it, and what was removed, from everybody."""
    gained = fields.union(changes.added, changes.modified)
    previous = entries.get(owner) if gained else None
    entries.take_away(fields.union(gained, changes.removed), but_from=owner if gained else None)
    if gained:
        kept = fields.difference(previous.fields, changes.removed) if previous else {}
        entries.put(Entry(owner, fields.union(gained, kept), time))


def _starting_point(old: Object | None, new: Object, subresource: str) -> Entries | None:
    """The entries before this write; None when nobody is to keep books on this object."""
    stored = ((old or {}).get("metadata") or {}).get("managedFields")
    sent = (new.get("metadata") or {}).get("managedFields")
    if subresource:
        sent = None
    if sent == [{}]:
        return None
    entries = Entries.of(sent, stored=sent == stored)
    if not len(entries):
        entries = Entries.of(stored, stored=True)
    if old is not None and not len(entries):
        return None  # cleared before: only an apply starts the books again
    return entries


def default_ignored(obj: Object, subresource: str) -> Collection[str]:
    if subresource == "status":
        return [name for name in obj if name not in ("metadata", "status")]
    return ("status",)


def ownable(obj: Object, ignored: Collection[str] = ()) -> Object:
    """The part of an object that can have owners; shares its values."""
    view = {name: value for name, value in obj.items() if name not in _UNOWNED_TOP and name not in ignored}
    metadata = view.pop("metadata", None)
    if isinstance(metadata, dict):
        own = {name: value for name, value in metadata.items() if name not in _UNOWNED_METADATA}
        if own:
            view["metadata"] = own
    return view


def _store(obj: Object, entries: Entries) -> None:
    metadata = obj.setdefault("metadata", {})
    if len(entries):
        metadata["managedFields"] = entries.as_list()
    else:
        metadata.pop("managedFields", None)
