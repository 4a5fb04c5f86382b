"""StorageObjectInUseProtection: claims, volumes and attributes classes get a finalizer.

The protection controllers take it off when nothing uses them.
"""

from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

FINALIZERS = {
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(BasePlugin):
    name = "StorageObjectInUseProtection"

    def __init__(self, registries: Registries) -> None:
        pass

    async def admit(self, admission: Admission) -> None:
        gvr = admission.resource.gvr
        finalizer = FINALIZERS.get((gvr.group, gvr.resource))
        is_create = admission.is_create_of(gvr.resource, gvr.group)
        if finalizer is None or admission.object is None or not is_create:
            return
        metadata = admission.object["metadata"]
        finalizers = metadata.get("finalizers") or []
        if finalizer not in finalizers:
            metadata["finalizers"] = [*finalizers, finalizer]
