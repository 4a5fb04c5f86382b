"""Protection of claims and volumes: who holds a finalizer, and when it goes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pinnace.controllers.runtime import Update, World
from pinnace.controllers.storage_protection import (
    CLAIM_FINALIZER,
    VOLUME_FINALIZER,
    reconcile_claim,
    reconcile_volume,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Object = dict[str, Any]


def claim(*finalizers: str, going: bool = False) -> Object:
    metadata: Object = {"name": "data", "namespace": "default", "finalizers": list(finalizers)}
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": metadata}


def pod(volume: Object, node: str = "n") -> Object:
    spec = {"nodeName": node, "volumes": [{"name": "v", **volume}]}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": spec,
    }


def finalizers(actions: list[Any]) -> list[str] | None:
    if not actions:
        return None
    (update,) = actions
    assert isinstance(update, Update)
    return update.obj["metadata"]["finalizers"]


USING = {"persistentVolumeClaim": {"claimName": "data"}}


@pytest.mark.parametrize(
    ("obj", "pods", "expected"),
    [
        (claim(), [], [CLAIM_FINALIZER]),
        (claim(CLAIM_FINALIZER), [], None),
        (claim(CLAIM_FINALIZER, "a.example/b", going=True), [], ["a.example/b"]),
        (claim(CLAIM_FINALIZER, going=True), [pod(USING)], None),
        (claim(CLAIM_FINALIZER, going=True), [pod(USING, node="")], []),
        (claim(CLAIM_FINALIZER, going=True), [pod({"persistentVolumeClaim": {"claimName": "other"}})], []),
    ],
)
def test_a_claim_stays_while_a_scheduled_pod_uses_it(
    obj: Object, pods: list[Object], expected: list[str] | None
) -> None:
    assert finalizers(list(reconcile_claim(obj, World.of(pods, NOW)))) == expected


@pytest.mark.parametrize(("phase", "expected"), [("Bound", None), ("Released", []), ("Available", [])])
def test_a_volume_stays_while_it_is_bound(phase: str, expected: list[str] | None) -> None:
    metadata = {"name": "v", "finalizers": [VOLUME_FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    volume = {
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": metadata,
        "status": {"phase": phase},
    }
    assert finalizers(list(reconcile_volume(volume, World.of([], NOW)))) == expected
