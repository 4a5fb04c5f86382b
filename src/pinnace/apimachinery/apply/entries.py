"""The entries of `metadata.managedFields`: reading, writing, their order, and how many are kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pinnace.apimachinery.apply import fields
from pinnace.apimachinery.apply.fields import Fields

Operation = Literal["Apply", "Update"]

MAX_UPDATERS = 10
ANCIENT = "ancient-changes"
_ELEMENTS = frozenset(("f:", "k:", "v:", "i:"))


@dataclass(frozen=True, slots=True)
class Owner:
    """Who an entry belongs to. An applier is the same whatever version it applies: its `api_version` is not compared."""

    manager: str
    operation: Operation
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)

    def __str__(self) -> str:
        """As conflicts name it."""
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True, slots=True)
class Entry:
    owner: Owner
    fields: Fields
    time: str = ""

    def as_dict(self) -> dict[str, Any]:
        owner = self.owner
        body: dict[str, Any] = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
        }
        if self.time:
            body["time"] = self.time
        body |= {"fieldsType": "FieldsV1", "fieldsV1": self.fields}
        if owner.subresource:
            body["subresource"] = owner.subresource
        return body


class Entries:
    """The entries of one object by owner, while they are being changed."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {entry.owner.identity: entry for entry in entries}

    @classmethod
    def of(cls, managed_fields: Any, *, stored: bool = False) -> "Entries":
        """Read `metadata.managedFields`; what is malformed reads as nothing, as upstream has it.

        What is `stored` has been looked through when it was written.
        """
        if not isinstance(managed_fields, list):
            return cls()
        try:
            return cls(_entry(body, stored=stored) for body in managed_fields)
        except (KeyError, TypeError, ValueError):
            return cls()

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, owner: Owner) -> Entry | None:
        return self._entries.get(owner.identity)

    def put(self, entry: Entry) -> None:
        """Store an entry; one without fields goes."""
        if entry.fields:
            self._entries[entry.owner.identity] = entry
        else:
            self._entries.pop(entry.owner.identity, None)

    def take_away(self, lost: Fields, *, but_from: Owner | None = None) -> None:
        """Fields that all (other) owners lose."""
        for entry in self:
            if lost and (but_from is None or entry.owner.identity != but_from.identity):
                self.put(Entry(entry.owner, fields.difference(entry.fields, lost), entry.time))

    def cap(self) -> None:
        """Merge the oldest updaters of one version into a common entry when there are too many."""
        if len(self) <= MAX_UPDATERS:
            return
        updaters = sorted(
            (entry for entry in self if entry.owner.operation == "Update"),
            key=lambda entry: (entry.time, entry.owner.manager),
        )
        surplus = len(updaters) - MAX_UPDATERS
        first: dict[str, Entry] = {}
        for entry in updaters:
            if surplus <= 0:
                return
            version = entry.owner.api_version
            if version not in first:
                first[version] = entry
                continue
            bucket = Owner(ANCIENT, "Update", version)
            previous = self.get(bucket) or first[version]
            for merged in (entry, previous):
                self._entries.pop(merged.owner.identity, None)
            self.put(Entry(bucket, fields.union(entry.fields, previous.fields), entry.time))
            surplus -= 1

    def as_list(self) -> list[dict[str, Any]]:
        """Upstream's order: appliers first, then by time and name."""

        def order(entry: Entry) -> tuple[str, str, str, str, str]:
            owner = entry.owner
            return (owner.operation, entry.time, owner.manager, owner.api_version, owner.subresource)

        return [entry.as_dict() for entry in sorted(self, key=order)]


def _entry(body: dict[str, Any], *, stored: bool) -> Entry:
    operation = body["operation"]
    if operation not in ("Apply", "Update"):
        raise ValueError(f"invalid operation {operation!r}")
    if body["fieldsType"] != "FieldsV1" or not body["apiVersion"]:
        raise ValueError("an entry without apiVersion, or of another type of fields")
    owned = body.get("fieldsV1") or {}
    if not isinstance(owned, dict) or not (stored or _is_tree(owned)):
        raise TypeError("fieldsV1 is not a tree of path elements")
    owner = Owner(body.get("manager", ""), operation, body["apiVersion"], body.get("subresource") or "")
    return Entry(owner, owned, body.get("time") or "")


def _is_tree(owned: Any) -> bool:
    """Objects all the way down, whose keys are path elements."""
    return isinstance(owned, dict) and all(
        (name == fields.SELF or name[:2] in _ELEMENTS) and (not below or _is_tree(below))
        for name, below in owned.items()
    )
