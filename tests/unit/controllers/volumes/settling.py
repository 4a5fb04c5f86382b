"""Storage objects, and a world that carries out the patches of reconcilers until nothing changes any more."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from pinnace.api import meta
from pinnace.apimachinery.patch import merge_patch
from pinnace.controllers.runtime import Action, Emit, Patch, RequeueAfter, World
from pinnace.controllers.runtime.actions import gvr_of
from pinnace.controllers.volumes import claims, persistentvolumes
from unit.controllers.builders import NOW

Object = dict[str, Any]


def claim(name: str = "data", size: str = "1Gi", storage_class: str | None = "", **spec: Any) -> Object:
    """`spec` may hold `annotations` and `phase`, which go where they belong."""
    annotations, phase = spec.pop("annotations", {}), spec.pop("phase", "Pending")
    given: Object = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
                     "resources": {"requests": {"storage": size}}, **spec}  # fmt: skip
    if storage_class is not None:
        given["storageClassName"] = storage_class
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "annotations": annotations,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": given, "status": {"phase": phase}}  # fmt: skip


def volume(name: str = "disk", size: str = "1Gi", phase: str = "Available", **spec: Any) -> Object:
    annotations = spec.pop("annotations", {})
    labels = spec.pop("labels", {})
    given = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "capacity": {"storage": size},
             "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/x"}, **spec}  # fmt: skip
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "annotations": annotations,
        "labels": labels,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": given, "status": {"phase": phase}}  # fmt: skip


def storage_class(
    name: str, mode: str = "Immediate", provisioner: str = "example.com/disks", **more: Any
) -> Object:
    annotations = (
        {"storageclass.kubernetes.io/is-default-class": "true"} if more.pop("default", False) else {}
    )
    metadata = {
        "name": name,
        "annotations": annotations,
        "creationTimestamp": more.pop("created", "2026-01-01T00:00:00Z"),
    }
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata,
            "provisioner": provisioner, "volumeBindingMode": mode, **more}  # fmt: skip


def names(obj: Object, uid: str = "") -> Object:
    """`claimRef` to a claim."""
    return {
        "kind": "PersistentVolumeClaim",
        "namespace": "default",
        "name": meta.name(obj),
        **({"uid": uid} if uid else {}),
    }


class Storage:
    """The objects, keyed by kind and name; `events` are (about, kind, reason, message) of all passes."""

    def __init__(self, *objects: Object, now: datetime = NOW) -> None:
        self.objects = {(one["kind"], meta.namespace(one), meta.name(one)): one for one in objects}
        self.events: list[tuple[str, str, str, str]] = []
        self.requeued: list[float] = []
        self.now = now
        self._memory: dict[Any, Any] = {}

    def get(self, kind: str, name: str) -> Object:
        return next(obj for (k, _, n), obj in self.objects.items() if (k, n) == (kind, name))

    def remove(self, kind: str, name: str) -> None:
        self.objects = {key: obj for key, obj in self.objects.items() if (key[0], key[2]) != (kind, name)}

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def settle(self) -> "Storage":
        """Look at every claim and volume until a round changes nothing; events of the last rounds repeat and count once."""
        for _ in range(20):
            before = dict(self.objects)
            self._round("PersistentVolumeClaim", claims.reconcile)
            self._round("PersistentVolume", persistentvolumes.reconcile)
            if before == self.objects:
                return self
        raise AssertionError("never settles")

    def _round(self, kind: str, reconcile: Callable[[Object, World], Iterator[Action]]) -> None:
        for key in [key for key in self.objects if key[0] == kind]:
            world = World.of(self.objects.values(), self.now, memory=self._memory)
            for action in list(reconcile(self.objects[key], world)):
                self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Emit(about, kind, reason, message):
                event = (meta.name(about), kind, reason, message)
                if event not in self.events:
                    self.events.append(event)
            case RequeueAfter(seconds):
                self.requeued.append(seconds)
            case Patch(obj, body):
                assert gvr_of(obj)
                key = (obj["kind"], meta.namespace(obj), meta.name(obj))
                self.objects[key] = merge_patch.apply(self.objects[key], body)
            case _:
                raise AssertionError(f"unexpected {action!r}")
