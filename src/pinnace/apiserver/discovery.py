"""Discovery: which groups, versions and resources the server has, in the legacy and the aggregated form.

The functions are pure: a list of resource rows in, a document out, so that custom resources are simply more rows.
`Discovery` keeps the encoded documents of one list of rows; when rows come or go, build a new one.
Forms: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pinnace.api.resources import Resource, Subresource
from pinnace.apimachinery.gvk import GVK, parse_api_version

Document = dict[str, Any]

JSON = "application/json"
AGGREGATED_VERSIONS = ("v2", "v2beta1")

# The order in which upstream lists its own groups; all others follow by name.
_GROUP_ORDER = (
    "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling",
    "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
)  # fmt: skip
_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sort key, most preferred first: v2, v1, v2beta1, v1beta1, v1alpha1, then anything else by name."""
    match = _VERSION.match(version)
    if not match:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), version)


def group_order(group: str) -> tuple[int, str]:
    return (_GROUP_ORDER.index(group) if group in _GROUP_ORDER else len(_GROUP_ORDER), group)


def storage_version_hash(gvk: GVK) -> str:
    """Upstream's opaque fingerprint of the version in which objects are stored."""
    return b64encode(hashlib.sha256(f"{gvk.group}/{gvk.version}/{gvk.kind}".encode()).digest()[:8]).decode()


def _stored_as(row: Resource, rows: Iterable[Resource]) -> GVK:
    """The kind under which the objects of `row` lie in the store."""
    if row.stored_version:
        return GVK(row.gvr.group, row.stored_version, row.kind)
    return next((other.gvk for other in rows if other.gvr == row.view_of), row.gvk)


def _versions(rows: Iterable[Resource], group: str) -> list[str]:
    return sorted({row.gvr.version for row in rows if row.gvr.group == group}, key=version_order)


def _groups(rows: Iterable[Resource]) -> list[str]:
    return sorted({row.gvr.group for row in rows if row.gvr.group}, key=group_order)


def _members(rows: Iterable[Resource], group: str, version: str) -> list[Resource]:
    found = [row for row in rows if (row.gvr.group, row.gvr.version) == (group, version)]
    return sorted(found, key=lambda row: row.gvr.resource)


# --- legacy ---------------------------------------------------------------------------------------------------------


def api_versions(server_address: str = "") -> Document:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def _group_body(rows: Sequence[Resource], group: str) -> Document:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version} for version in _versions(rows, group)
    ]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def group_list(rows: Sequence[Resource]) -> Document:
    """`/apis`."""
    groups = [_group_body(rows, group) for group in _groups(rows)]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(rows: Sequence[Resource], name: str) -> Document | None:
    """`/apis/GROUP`, or None when there is no such group."""
    if not name or not _versions(rows, name):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group_body(rows, name)}


def resource_list(rows: Sequence[Resource], group: str, version: str) -> Document | None:
    """`/api/v1` (group "") or `/apis/GROUP/VERSION`, or None when there is no such version."""
    members = _members(rows, group, version)
    if not members:
        return None
    entries: list[Document] = []
    for row in members:
        entries.append(_legacy_entry(row, rows))
        entries += [
            _legacy_subresource(row, sub) for sub in sorted(row.subresources, key=lambda sub: sub.name)
        ]
    head: Document = {"kind": "APIResourceList"}
    if group:  # upstream's core list has none
        head["apiVersion"] = "v1"
    return {**head, "groupVersion": f"{group}/{version}" if group else version, "resources": entries}


def _legacy_entry(row: Resource, rows: Sequence[Resource]) -> Document:
    entry: Document = {
        "name": row.gvr.resource,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    if "create" in row.verbs and row.is_stored:
        entry["storageVersionHash"] = storage_version_hash(_stored_as(row, rows))
    return entry


def _legacy_subresource(row: Resource, sub: Subresource) -> Document:
    entry: Document = {
        "name": f"{row.gvr.resource}/{sub.name}",
        "singularName": "",
        "namespaced": row.namespaced,
    }
    if sub.api_version:
        entry["group"], entry["version"] = parse_api_version(sub.api_version)
    return {**entry, "kind": sub.kind or row.kind, "verbs": list(sub.verbs)}


# --- aggregated -----------------------------------------------------------------------------------------------------


def aggregated(rows: Sequence[Resource], *, core: bool, version: str = "v2") -> Document:
    """`/api` (core) or `/apis` as an APIGroupDiscoveryList, which tells everything in one answer."""
    items = []
    for name in [""] if core else _groups(rows):
        metadata: Document = (
            {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}
        )
        versions = [
            {
                "version": one,
                "resources": [_aggregated_entry(row) for row in _members(rows, name, one)],
                "freshness": "Current",
            }
            for one in _versions(rows, name)
        ]
        items.append({"metadata": metadata, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _response_kind(kind: str, api_version: str = "") -> Document:
    """An empty group and version mean those of the surrounding list."""
    group_name, version = parse_api_version(api_version)
    return {"group": group_name, "version": version, "kind": kind}


def _aggregated_entry(row: Resource) -> Document:
    entry: Document = {
        "resource": row.gvr.resource,
        "responseKind": _response_kind(row.kind),
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    if row.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": _response_kind(sub.kind or row.kind, sub.api_version),
                "verbs": list(sub.verbs),
            }
            for sub in sorted(row.subresources, key=lambda sub: sub.name)
        ]
    return entry


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """An encoded document. `etag` is set (with its quotes) where the client may ask with If-None-Match."""

    body: bytes
    content_type: str = JSON
    etag: str = ""

    def is_known_to(self, if_none_match: str) -> bool:
        """Whether the client holds this very document, so that 304 suffices."""
        return bool(self.etag) and self.etag in (tag.strip() for tag in if_none_match.split(","))


def aggregated_version(accept: str) -> str:
    """The aggregated version that `Accept` prefers, or "" for the legacy form: the first acceptable entry wins."""
    for entry in accept.split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        if media not in (JSON, "application/*", "*/*"):
            continue
        given = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        if "as" not in given:
            return ""
        form = (given["as"], given.get("g"))
        if form == ("APIGroupDiscoveryList", "apidiscovery.k8s.io") and given.get("v") in AGGREGATED_VERSIONS:
            return given["v"]
    return ""


class Discovery:
    """The documents of one list of rows, each encoded at its first request."""

    def __init__(self, rows: Iterable[Resource], server_address: str = "") -> None:
        self._rows = tuple(rows)
        self._server_address = server_address
        self._answers: dict[tuple[str, str], Answer | None] = {}

    def answer(self, path: str, accept: str = "") -> Answer | None:
        """The answer for `/api`, `/apis`, `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`; None for any other path."""
        path = path.rstrip("/")
        version = aggregated_version(accept) if path in ("/api", "/apis") else ""
        key = (path, version)
        if key not in self._answers:
            answer = self._build(path, version)
            if answer is None:
                return None  # not remembered: paths are the client's to invent
            self._answers[key] = answer
        return self._answers[key]

    def _build(self, path: str, version: str) -> Answer | None:
        if version:
            return _aggregated_answer(aggregated(self._rows, core=path == "/api", version=version), version)
        document: Document | None
        match path.split("/")[1:]:
            case ["api"]:
                document = api_versions(self._server_address)
            case ["apis"]:
                document = group_list(self._rows)
            case ["api", version]:
                document = resource_list(self._rows, "", version)
            case ["apis", name]:
                document = group(self._rows, name)
            case ["apis", name, version] if name:
                document = resource_list(self._rows, name, version)
            case _:
                document = None
        return None if document is None else Answer(orjson.dumps(document))


def _aggregated_answer(document: Document, version: str) -> Answer:
    body = orjson.dumps(document)
    content_type = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    return Answer(body, content_type, f'"{hashlib.sha512(body).hexdigest().upper()}"')
