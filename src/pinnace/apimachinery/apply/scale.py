"""Owners of `spec.replicas` seen through the `scale` subresource, and back again.

Who owns the replicas of a workload owns those of its Scale. What a write of the Scale makes of the owners is written back
into the workload's entries; who lost the replicas keeps the rest of what it owns.
"""

from dataclasses import replace
from typing import Any

from pinnace.apimachinery.apply import fields
from pinnace.apimachinery.apply.entries import Entries, Entry, Owner
from pinnace.apimachinery.apply.fields import Fields, Path

SCALE_VERSION = "autoscaling/v1"
_REPLICAS: Path = ("f:spec", "f:replicas")


def path_of(json_path: str) -> Path:
    """`.spec.replicas` as the path elements of a field set."""
    return tuple(fields.field_element(name) for name in json_path.strip(".").split("."))


def to_scale(managed_fields: Any, path: Path = _REPLICAS) -> list[dict[str, Any]]:
    """The managedFields of the Scale; `path` is that of the replicas in the workload."""
    shown = Entries(
        Entry(replace(entry.owner, api_version=SCALE_VERSION), fields.of_paths(_REPLICAS), entry.time)
        for entry in Entries.of(managed_fields)
        if _holds(entry.fields, path)
    )
    return shown.as_list()


def to_parent(
    managed_fields: Any, scale_fields: Any, api_version: str, path: Path = _REPLICAS
) -> list[dict[str, Any]]:
    """The managedFields of the workload after a write that left `scale_fields` in the Scale."""
    owners = {
        _who(entry.owner): entry for entry in Entries.of(scale_fields) if _holds(entry.fields, _REPLICAS)
    }
    result = Entries()
    for entry in Entries.of(managed_fields):
        if _holds(entry.fields, path) and owners.pop(_who(entry.owner), None) is None:
            result.put(replace(entry, fields=fields.difference(entry.fields, fields.of_paths(path))))
        else:
            result.put(entry)
    for entry in owners.values():
        owner = replace(entry.owner, api_version=api_version)
        before = result.get(owner)
        owned = fields.of_paths(path)
        result.put(Entry(owner, fields.union(before.fields, owned) if before else owned, entry.time))
    return result.as_list()


def _who(owner: Owner) -> tuple[str, str, str]:
    """An owner of the workload is the same in the Scale, whose version differs."""
    return (owner.manager, owner.operation, owner.subresource)


def _holds(tree: Fields, path: Path) -> bool:
    for element in path:
        if element not in tree:
            return False
        tree = tree[element]
    return fields.is_member(tree)
