"""A `Client` over a dict: for unit tests of parts that need no API server semantics (no defaults, no validation).

Merge patch is RFC 7386, strategic merge patch the real one; other patch types are refused. Deleting honours finalizers. Use the in-process API server
(`pinnace.testing.fixtures`) where semantics matter.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from pinnace.api import meta, selector_text
from pinnace.api.resources import BY_GVK, BY_GVR
from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import MERGE_PATCH, STRATEGIC_MERGE_PATCH, Object, WatchEvent


class FakeClient:
    """`client.calls` lists (verb, resource, key, body) of every write, in order."""

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self._objects: dict[tuple[GVR, str, str], Object] = {}
        self._revision = itertools.count(1)
        self._latest = 0
        self._log: list[tuple[int, GVR, str, Object]] = []
        self._changed = asyncio.Event()
        self.calls: list[tuple[str, str, str, Any]] = []
        for obj in objects:
            self._put(BY_GVK[meta.gvk(obj)].gvr, meta.mutable_copy(obj), "ADDED")

    def _put(self, gvr: GVR, obj: Object, kind: str) -> Object:
        self._latest = next(self._revision)
        row = BY_GVR[gvr]
        obj.setdefault("kind", row.kind)
        obj.setdefault("apiVersion", gvr.api_version)
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(self._latest)
        metadata.setdefault("uid", f"uid-{self._latest}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        key = (gvr, *meta.key(obj))
        if kind == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = obj
        self._log.append((self._latest, gvr, kind, obj))
        self._changed.set()
        self._changed = asyncio.Event()
        return obj

    def _find(self, gvr: GVR, name: str, namespace: str | None) -> Object:
        try:
            return self._objects[gvr, namespace or "", name]
        except KeyError:
            raise errors.not_found(gvr.resource, name, gvr.group) from None

    async def get(
        self, gvr: GVR, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        return self._find(gvr, name, namespace)

    def _matches(self, gvr: GVR, obj: Object, namespace: str | None, labels: str, fields: str) -> bool:
        if namespace is not None and meta.namespace(obj) != namespace:
            return False
        if not selector_text.parse(labels).matches(meta.labels(obj)):
            return False
        for requirement in selectors.parse_fields(fields):
            value: Any = obj
            for part in requirement.path.split("."):
                value = (value or {}).get(part)
            if (str(value if value is not None else "") == requirement.value) == requirement.negated:
                return False
        return True

    async def list(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = "",
        resource_version: str = "", limit: int = 0, continue_token: str = "",
    ) -> Object:  # fmt: skip
        items = [
            obj for (kind, _, _), obj in self._objects.items()
            if kind == gvr and self._matches(gvr, obj, namespace, label_selector, field_selector)
        ]  # fmt: skip
        row = BY_GVR[gvr]
        return {
            "kind": row.list_kind,
            "apiVersion": gvr.api_version,
            "metadata": {"resourceVersion": str(self._latest)},
            "items": items,
        }

    async def watch(
        self, gvr: GVR, namespace: str | None = None, *, resource_version: str, label_selector: str = "",
        field_selector: str = "", bookmarks: bool = True,
    ) -> AsyncGenerator[WatchEvent, None]:  # fmt: skip
        seen = int(resource_version or 0)
        while True:
            changed = self._changed
            for revision, kind_of, event, obj in self._log[self._first_after(seen) :]:
                seen = revision
                if kind_of == gvr and self._matches(gvr, obj, namespace, label_selector, field_selector):
                    yield WatchEvent(event, obj)  # type: ignore[arg-type]
            await changed.wait()

    def _first_after(self, revision: int) -> int:
        position = len(self._log)
        while position and self._log[position - 1][0] > revision:
            position -= 1
        return position

    async def create(
        self, gvr: GVR, body: Object, namespace: str | None = None, *, name: str = "", subresource: str = "",
        field_manager: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        self.calls.append(
            (
                f"create {subresource}".strip(),
                gvr.resource,
                name or body.get("metadata", {}).get("name", ""),
                body,
            )
        )
        if subresource == "binding":
            pod = meta.mutable_copy(self._find(gvr, name, namespace))
            pod["spec"]["nodeName"] = body["target"]["name"]
            self._put(gvr, pod, "MODIFIED")
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if subresource:
            return body
        obj = meta.mutable_copy(body)
        metadata = obj.setdefault("metadata", {})
        if namespace:
            metadata["namespace"] = namespace
        if "name" not in metadata:
            metadata["name"] = f"{metadata.get('generateName', '')}{self._latest + 1:05d}"
        if (gvr, *meta.key(obj)) in self._objects:
            raise errors.already_exists(gvr.resource, metadata["name"], gvr.group)
        return self._put(gvr, obj, "ADDED")

    async def update(
        self, gvr: GVR, body: Object, *, subresource: str = "", field_manager: str = "", dry_run: bool = False
    ) -> Object:
        self.calls.append((f"update {subresource}".strip(), gvr.resource, body["metadata"]["name"], body))
        old = self._find(gvr, body["metadata"]["name"], body["metadata"].get("namespace"))
        version = body["metadata"].get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise errors.conflict(gvr.resource, body["metadata"]["name"], errors.OBJECT_MODIFIED, gvr.group)
        new = meta.mutable_copy(body)
        if subresource == "status":
            changed = {**meta.mutable_copy(old), "status": new.get("status")}
            if gvr.resource == "deployments":  # as upstream: its revision is written along with its status
                changed["metadata"]["annotations"] = new["metadata"].get("annotations")
            new = changed
        return self._finish(gvr, new)

    def _finish(self, gvr: GVR, new: Object) -> Object:
        held = new["metadata"].get("finalizers") or (
            gvr.resource == "namespaces" and (new.get("spec") or {}).get("finalizers")
        )
        gone = meta.is_terminating(new) and not held
        return self._put(gvr, new, "DELETED" if gone else "MODIFIED")

    async def patch(
        self, gvr: GVR, name: str, body: Any, namespace: str | None = None, *, content_type: str = MERGE_PATCH,
        subresource: str = "", field_manager: str = "", force: bool = False, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        self.calls.append((f"patch {subresource}".strip(), gvr.resource, name, body))
        version = (body.get("metadata") or {}).get("resourceVersion") if isinstance(body, dict) else None
        if version and version != meta.resource_version(self._find(gvr, name, namespace)):
            raise errors.conflict(gvr.resource, name, errors.OBJECT_MODIFIED, gvr.group)
        if content_type == STRATEGIC_MERGE_PATCH:
            from pinnace.apimachinery.patch import strategic
            from pinnace.apimachinery.schema import schemas

            schema = schemas.for_gvk(BY_GVR[gvr].gvk)
            return self._finish(gvr, strategic.apply(self._find(gvr, name, namespace), body, schema))
        if content_type != MERGE_PATCH:
            raise errors.UnsupportedMediaType(
                f"the fake client knows only merge and strategic merge patches, not {content_type}"
            )
        return self._finish(gvr, _merged(meta.mutable_copy(self._find(gvr, name, namespace)), body))

    async def delete(
        self, gvr: GVR, name: str, namespace: str | None = None, *, grace_period_seconds: int | None = None,
        propagation_policy: str = "", uid: str = "", resource_version: str = "",
    ) -> Object:  # fmt: skip
        self.calls.append(("delete", gvr.resource, name, grace_period_seconds))
        obj = meta.mutable_copy(self._find(gvr, name, namespace))
        if uid and uid != meta.uid(obj):
            raise errors.conflict(
                gvr.resource,
                name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta.uid(obj)}",
                gvr.group,
            )
        if obj["metadata"].get("finalizers"):
            obj["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            return self._put(gvr, obj, "MODIFIED")
        return self._put(gvr, obj, "DELETED")

    async def delete_collection(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Object:
        found = await self.list(gvr, namespace, label_selector=label_selector, field_selector=field_selector)
        for obj in found["items"]:
            await self.delete(gvr, meta.name(obj), meta.namespace(obj))
        return found

    async def raw(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        raise errors.NotFound(f"the fake client serves no {path}")

    async def close(self) -> None:
        return None


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
