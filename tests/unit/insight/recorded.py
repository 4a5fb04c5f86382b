"""A recorded cluster for the rules: objects, events and logs as they would come from the server."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pinnace.api import meta
from pinnace.insight.diagnosis import diagnose
from pinnace.insight.findings import Finding
from pinnace.insight.world import KINDS, Kind, Unreadable, World, is_known

Object = dict[str, Any]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
BEFORE = "2026-01-01T11:50:00Z"


class Recorded:
    """`forbidden` are plurals that may not be read."""

    def __init__(
        self, objects: Iterable[Object], logs: dict[str, list[str]] | None = None, forbidden: tuple[str, ...] = ()
    ) -> None:  # fmt: skip
        self._objects = list(objects)
        self._logs, self._forbidden = logs or {}, forbidden

    def _of(self, kind: Kind, namespace: str) -> list[Object]:
        if kind.plural in self._forbidden:
            raise Unreadable(f"{kind.plural} is forbidden")
        return [
            one for one in self._objects
            if is_known(one) and KINDS[one["kind"]] == kind and (not namespace or meta.namespace(one) == namespace)
        ]  # fmt: skip

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return next((one for one in self._of(kind, namespace) if meta.name(one) == name), None)

    def every(self, kind: Kind, namespace: str) -> list[Object]:
        return self._of(kind, namespace)

    def events(self, namespace: str, fields: dict[str, str]) -> list[Object]:
        found = [one for one in self._objects if one["kind"] == "Event"]
        return [
            one for one in found
            if all(one["involvedObject"].get(name.removeprefix("involvedObject.")) == value for name, value in fields.items())
        ]  # fmt: skip

    def log(self, namespace: str, pod: str, container: str, *, previous: bool) -> list[str]:
        return self._logs.get(container, [])

    def decision(self, namespace: str, pod: str) -> Object | None:
        return None

    def version(self) -> str:
        return "v1.36.0"

    def contents(self, group: str, plural: str, namespace: str) -> list[Object]:
        return [
            one
            for one in self._objects
            if f"{one['kind'].lower()}s" == plural and one["metadata"].get("namespace") == namespace
        ]

    def spans(self, about: tuple[str, str, str], uids: list[str], node: str = "") -> Object | None:
        return None


def obj(kind: str, name: str, *, labels: dict[str, str] | None = None, **fields: Any) -> Object:
    """An object of a known kind, in namespace `shop` where it has one; `metadata` adds to what is made."""
    row = KINDS[kind]
    metadata: Object = {
        "name": name,
        "uid": f"{kind}-{name}",
        "labels": labels or {},
        **fields.pop("metadata", {}),
    }
    if row.namespaced:
        metadata["namespace"] = "shop"
    return {"apiVersion": row.api_version, "kind": kind, "metadata": metadata, "spec": {}, **fields}


def pod(name: str = "web", *, phase: str = "Pending", node: str = "", status: Object | None = None,
        labels: dict[str, str] | None = None, metadata: Object | None = None, **spec: Any) -> Object:  # fmt: skip
    spec = {"containers": [{"name": "main", "image": "x"}], **spec}
    if node:
        spec["nodeName"] = node
    return obj(
        "Pod",
        name,
        labels=labels,
        metadata=metadata or {},
        spec=spec,
        status={"phase": phase, **(status or {})},
    )


def node(name: str = "n1", *, ready: str = "True", labels: dict[str, str] | None = None, taints: list[Object] | None = None,
         **allocatable: str) -> Object:  # fmt: skip
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110", **allocatable}
    conditions = [{"type": "Ready", "status": ready, "reason": "NodeStatusUnknown", "message": "m"}]
    return obj(
        "Node",
        name,
        labels=labels,
        spec={"taints": taints or []},
        status={"allocatable": amounts, "conditions": conditions},
    )


def event(about: Object, reason: str, message: str, kind: str = "Warning", count: int = 1) -> Object:
    metadata = about["metadata"]
    reference = {
        "kind": about["kind"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata["uid"],
    }
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": f"{reason}-{metadata['name']}", "namespace": "shop"},
            "involvedObject": reference, "type": kind, "reason": reason, "message": message, "count": count, "lastTimestamp": BEFORE}  # fmt: skip


def owned(child: Object, owner: Object) -> Object:
    reference = {
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    return {**child, "metadata": {**child["metadata"], "ownerReferences": [reference]}}


def findings(
    start: Object, *others: Object, logs: dict[str, list[str]] | None = None, forbidden: tuple[str, ...] = ()
) -> list[Finding]:
    world = World(Recorded((start, *others), logs, forbidden), NOW)
    world.asked = {start["metadata"]["uid"]}
    return diagnose([start], world).findings


def told(start: Object, *others: Object, **more: Any) -> list[str]:
    """`rule: cause` of each finding, in order."""
    return [f"{one.rule}: {one.cause}" for one in findings(start, *others, **more)]
