"""What the scheduler knows of storage: claims, volumes, classes and CSI objects, plus what it has decided and not yet seen stored.

A decision is assumed until any change of the object arrives; then the API's word counts again.
"""

from collections.abc import Iterable
from typing import Any

from pinnace.api import meta
from pinnace.api.core import volume_binding as binding

Object = dict[str, Any]
Key = tuple[str, str]

CLAIM, VOLUME, CLASS = "PersistentVolumeClaim", "PersistentVolume", "StorageClass"
CSI_NODE, CSI_DRIVER, CSI_CAPACITY = "CSINode", "CSIDriver", "CSIStorageCapacity"
ATTACHMENT = "VolumeAttachment"


class Storage:
    def __init__(self) -> None:
        self._objects: dict[str, dict[Key, Object]] = {
            kind: {} for kind in (CLAIM, VOLUME, CLASS, CSI_NODE, CSI_DRIVER, CSI_CAPACITY, ATTACHMENT)
        }
        self._stored: dict[tuple[str, Key], Object] = {}  # what the API said before we assumed otherwise
        self._free: dict[str, dict[str, Object]] = {}  # class -> name -> volume without a claim
        self._reserved: dict[Key, dict[str, Object]] = {}  # claim -> name -> volume that names it

    # --- what the watches say

    def changed(self, kind: str, old: Object | None, new: Object | None) -> tuple[str, ...]:
        """Returns the events that this means for waiting pods."""
        obj = new if new is not None else old
        assert obj is not None
        key = meta.key(obj)
        self._stored.pop((kind, key), None)
        self._put(kind, key, new)
        action = "Add" if old is None else "Delete" if new is None else "Update"
        return (f"{kind}/{action}",)

    def _put(self, kind: str, key: Key, new: Object | None) -> None:
        before = self._objects[kind].pop(key, None)
        if kind == VOLUME and before is not None:
            self._unlist(before)
        if new is not None:
            self._objects[kind][key] = new
            if kind == VOLUME:
                self._list(new)

    def _list(self, volume: Object) -> None:
        key = binding.claim_ref_key(volume)
        if key is None:
            self._free.setdefault(binding.class_name(volume), {})[meta.name(volume)] = volume
        else:
            self._reserved.setdefault(key, {})[meta.name(volume)] = volume

    def _unlist(self, volume: Object) -> None:
        key = binding.claim_ref_key(volume)
        if key is None:
            self._free[binding.class_name(volume)].pop(meta.name(volume))
        else:
            self._reserved[key].pop(meta.name(volume))
            if not self._reserved[key]:
                del self._reserved[key]

    # --- questions

    def claim(self, namespace: str, name: str) -> Object | None:
        return self._objects[CLAIM].get((namespace, name))

    def volume(self, name: str) -> Object | None:
        return self._objects[VOLUME].get(("", name))

    def storage_class(self, name: str) -> Object | None:
        return self._objects[CLASS].get(("", name)) if name else None

    def csi_driver(self, name: str) -> Object | None:
        return self._objects[CSI_DRIVER].get(("", name))

    def csi_nodes(self) -> Iterable[Object]:
        return self._objects[CSI_NODE].values()

    def attachments(self) -> Iterable[Object]:
        return self._objects[ATTACHMENT].values()

    def capacities(self, class_name: str) -> list[Object]:
        return [
            one for one in self._objects[CSI_CAPACITY].values() if one.get("storageClassName") == class_name
        ]

    def free_volumes(self, class_name: str) -> Iterable[Object]:
        return self._free.get(class_name, {}).values()

    def reserved_volumes(self, claim: Object) -> Iterable[Object]:
        return self._reserved.get(meta.key(claim), {}).values()

    # --- decisions

    def assume(self, kind: str, obj: Object) -> None:
        key = meta.key(obj)
        self._stored.setdefault((kind, key), self._objects[kind][key])
        self._put(kind, key, obj)

    def forget(self, kind: str, obj: Object) -> None:
        """Back to what the API says, unless it has said something since."""
        key = meta.key(obj)
        if (stored := self._stored.pop((kind, key), None)) is not None:
            self._put(kind, key, stored)
