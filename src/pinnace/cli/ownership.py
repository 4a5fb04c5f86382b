"""From client-side to server-side apply: what the old manager owned goes to the new one, so that it can be taken away again.

As upstream: https://github.com/kubernetes/kubernetes/tree/master/staging/src/k8s.io/client-go/util/csaupgrade
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pinnace.apimachinery.apply import fields
from pinnace.cli.errors import ServerError
from pinnace.cli.last_applied import ANNOTATION
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
DEFAULT_MANAGER, ANNOTATION_MANAGER = "kubectl", "kubectl-last-applied"
ATTEMPTS = 5
_PATH = ("f:metadata", "f:annotations", f"f:{ANNOTATION}")
_AGAIN = "This is non-fatal and will be retried next time you apply. Error:"


class Migration(NamedTuple):
    """`query` has field manager, validation and dry run of the command."""

    session: Session
    resource: Resource
    path: str
    query: dict[str, str]

    def of(self, obj: Object, apply_again: Callable[[], Object]) -> Object:
        """The object after all; what fails is a warning, since the object itself has been applied."""
        try:
            obj = self._keep_annotation(obj)
        except ServerError as error:
            warn(f"Warning: failed to migrate {ANNOTATION} for Server-Side Apply. {_AGAIN} {error}")
            return obj
        try:
            migrated = self._migrated(obj)
        except ServerError as error:
            warn(f"Warning: server rejected managed fields migration to Server-Side Apply. {_AGAIN} {error}")
            return obj
        if migrated is None:
            return obj
        try:
            return apply_again()  # takes away what the manifest dropped
        except ServerError as error:
            warn(
                f"Warning: failed to re-apply configuration after performing Server-Side Apply migration. {_AGAIN} {error}"
            )
            return migrated

    def _keep_annotation(self, obj: Object) -> Object:
        """A manager of its own holds the annotation, so that it does not go with the old manager's fields."""
        entries = obj["metadata"].get("managedFields") or []
        if self.query["fieldManager"] != DEFAULT_MANAGER or _owners(entries, "Apply"):
            return obj
        metadata = {"name": obj["metadata"]["name"]}
        if "namespace" in obj["metadata"]:
            metadata["namespace"] = obj["metadata"]["namespace"]
        annotations = {ANNOTATION: obj["metadata"]["annotations"][ANNOTATION]}
        body = {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {**metadata, "annotations": annotations},
        }
        new: Object = self.session.http.request(
            "PATCH", self.path, {**self.query, "fieldManager": ANNOTATION_MANAGER}, body,
            content_type="application/apply-patch+yaml",
        )  # fmt: skip
        return new

    def _migrated(self, obj: Object) -> Object | None:
        """None when there was nothing to do."""
        old = {entry["manager"] for entry in _owners(obj["metadata"].get("managedFields") or [], "Update")}
        for attempt in range(ATTEMPTS):
            entries = obj["metadata"].get("managedFields") or []
            moved = upgraded(entries, old, self.query["fieldManager"])
            if moved == entries:
                return None
            patch = [
                {"op": "replace", "path": "/metadata/managedFields", "value": moved},
                {
                    "op": "replace",
                    "path": "/metadata/resourceVersion",
                    "value": obj["metadata"]["resourceVersion"],
                },
            ]
            try:
                new: Object = self.session.http.request(
                    "PATCH", self.path, self.query, patch, content_type="application/json-patch+json"
                )
            except ServerError as error:
                if error.reason != "Conflict" or attempt + 1 == ATTEMPTS:
                    raise
                obj = self.session.http.get(self.path)
            else:
                return new
        raise AssertionError("the last attempt returns or raises")


def _owners(entries: list[Object], operation: str) -> list[Object]:
    """Those that own the annotation."""
    wanted = fields.of_paths(_PATH)
    return [
        entry
        for entry in entries
        if entry.get("operation") == operation
        and not entry.get("subresource")
        and not fields.difference(wanted, entry.get("fieldsV1") or {})
    ]


def upgraded(entries: list[Object], old: set[str], new: str) -> list[Object]:
    """The entries, in which manager `new` applies what the managers `old` updated. Pure."""

    def is_old(entry: Object) -> bool:
        return (
            entry.get("manager") in old
            and entry.get("operation") == "Update"
            and not entry.get("subresource")
        )

    def is_new(entry: Object) -> bool:
        return (
            entry.get("manager") == new and entry.get("operation") == "Apply" and not entry.get("subresource")
        )

    target = next((entry for entry in entries if is_new(entry)), None) or next(
        (entry for entry in entries if is_old(entry)), None
    )
    if target is None:
        return entries
    owned = target.get("fieldsV1") or {}
    for entry in entries:
        if is_old(entry) and entry.get("apiVersion") == target.get("apiVersion"):
            owned = fields.union(owned, entry.get("fieldsV1") or {})
            break
    applied = {**target, "manager": new, "operation": "Apply", "fieldsV1": owned}
    return [
        applied if entry is target else entry for entry in entries if entry is target or not is_old(entry)
    ]
