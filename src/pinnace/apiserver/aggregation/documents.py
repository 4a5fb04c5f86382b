"""Discovery of this server and of extension servers in one document. Pure.

Upstream: https://github.com/kubernetes/kube-aggregator/blob/master/pkg/apiserver/handler_apis.go and handler_discovery.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.apiserver.aggregation.registrations import CUSTOM_PRIORITY, OWN_GROUP, Registered
from pinnace.apiserver.discovery import version_order

Document = dict[str, Any]
Known = Mapping[tuple[str, str], Registered]
_FIRST = 1_000_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an extension server said of one of its versions; stale when it could not be asked again."""

    resources: tuple[Document, ...] = ()
    is_stale: bool = False


def _group_rank(known: Known, group: str) -> tuple[int, str]:
    """Sort key: the highest priority first, then by name."""
    if group == OWN_GROUP:
        return (-_FIRST, group)
    found = [one.spec.get("groupPriorityMinimum") or 0 for (name, _), one in known.items() if name == group]
    return (-max(found, default=CUSTOM_PRIORITY[0]), group)


def _version_rank(known: Known, group: str, version: str) -> tuple[Any, ...]:
    one = known.get((group, version))
    priority = (one.spec.get("versionPriority") or 0) if one else CUSTOM_PRIORITY[1]
    return (-priority, *version_order(version))


def _remote(known: Known) -> Iterable[Registered]:
    return (one for one in known.values() if not one.is_local)


def group_list(base: Document, known: Known) -> Document:
    """`/apis`."""
    groups = {entry["name"]: entry for entry in base["groups"]}
    for name in {one.group for one in _remote(known) if one.group}:
        merged = group(groups.get(name), name, known)
        if merged is not None:
            groups[name] = {key: value for key, value in merged.items() if key not in ("kind", "apiVersion")}
    ordered = sorted(groups, key=lambda name: _group_rank(known, name))
    return {**base, "groups": [groups[name] for name in ordered]}


def group(base: Document | None, name: str, known: Known) -> Document | None:
    """`/apis/GROUP`; `base` is what this server says of the group, if it has it."""
    versions = {entry["version"] for entry in (base or {}).get("versions") or ()}
    versions |= {one.version for one in _remote(known) if one.group == name}
    if not versions:
        return None
    ordered = sorted(versions, key=lambda version: _version_rank(known, name, version))
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in ordered]
    return {
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": entries, "preferredVersion": entries[0],
    }  # fmt: skip


def aggregated(base: Document, known: Known, fetched: Mapping[tuple[str, str], Fetched]) -> Document:
    """`/apis` as an APIGroupDiscoveryList."""
    groups = {item["metadata"]["name"]: item for item in base["items"]}
    for one in _remote(known):
        if not one.group:
            continue
        item = groups.get(one.group) or {
            "metadata": {"name": one.group, "creationTimestamp": None}, "versions": []
        }  # fmt: skip
        said = fetched.get((one.group, one.version), Fetched(is_stale=not one.is_available))
        version: Document = {"version": one.version}
        if said.resources:
            version["resources"] = list(said.resources)
        version["freshness"] = "Stale" if said.is_stale else "Current"
        others = [entry for entry in item["versions"] if entry["version"] != one.version]
        versions = sorted(
            [*others, version],
            key=lambda entry, name=one.group: _version_rank(known, name, entry["version"]),  # type: ignore[misc]
        )
        groups[one.group] = {**item, "versions": versions}
    ordered = sorted(groups, key=lambda name: _group_rank(known, name))
    return {**base, "items": [groups[name] for name in ordered]}


def from_legacy(listed: Document) -> tuple[Document, ...]:
    """An APIResourceList as the `resources` of an aggregated version; subresources move below their resource."""
    found: dict[str, Document] = {}
    entries = [entry for entry in listed.get("resources") or () if isinstance(entry, dict)]
    group_name, _, version = str(listed.get("groupVersion", "")).rpartition("/")
    for entry in sorted(entries, key=lambda entry: "/" in entry["name"]):
        kind = {
            "group": entry.get("group") or group_name, "version": entry.get("version") or version,
            "kind": entry.get("kind", ""),
        }  # fmt: skip
        name, slash, sub = entry["name"].partition("/")
        scope = "Namespaced" if entry.get("namespaced") else "Cluster"
        if slash:
            parent = found.setdefault(name, {"resource": name, "scope": scope, "verbs": []})
            nested = {"subresource": sub, "responseKind": kind, "verbs": entry.get("verbs") or []}
            parent.setdefault("subresources", []).append(nested)
            continue
        found[name] = {
            "resource": name,
            "responseKind": kind,
            "scope": scope,
            "singularResource": entry.get("singularName", ""),
            "verbs": entry.get("verbs") or [],
        }
        for field in ("shortNames", "categories"):
            if entry.get(field):
                found[name][field] = entry[field]
    return tuple(found.values())


def versions_of(listed: Document) -> dict[tuple[str, str], tuple[Document, ...]]:
    """The resources of each group and version in an APIGroupDiscoveryList."""
    return {
        (item["metadata"]["name"], entry["version"]): tuple(entry.get("resources") or ())
        for item in listed.get("items") or ()
        for entry in item.get("versions") or ()
    }
