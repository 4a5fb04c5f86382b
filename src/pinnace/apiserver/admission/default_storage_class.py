"""DefaultStorageClass: a claim that names no class gets the one that is marked as default."""

from pinnace.api import resources as r
from pinnace.apimachinery.times import parse_time
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.stored import objects_in
from pinnace.apiserver.registry.catalog import Registries

_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(BasePlugin):
    name = "DefaultStorageClass"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        claim = admission.object
        if claim is None or not admission.is_create_of("persistentvolumeclaims"):
            return
        spec = claim.setdefault("spec", {})
        is_said = _OLD_CLASS in (claim["metadata"].get("annotations") or {})
        if is_said or spec.get("storageClassName") is not None:  # "" asks for a volume without a class
            return
        marked = [
            item["metadata"]
            for item in await objects_in(self._registries, r.STORAGE_CLASSES)
            if any((item["metadata"].get("annotations") or {}).get(mark) == "true" for mark in _MARKS)
        ]
        if marked:  # of several, the newest; of those, the first by name
            marked.sort(key=lambda m: (-parse_time(m["creationTimestamp"]).timestamp(), m["name"]))
            spec["storageClassName"] = marked[0]["name"]
