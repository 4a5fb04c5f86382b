"""StorageObjectInUseProtection: claims and volumes get a finalizer that the protection controllers take off when nothing uses them."""

from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

FINALIZERS = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}


class StorageObjectInUseProtection(BasePlugin):
    name = "StorageObjectInUseProtection"

    def __init__(self, registries: Registries) -> None:
        pass

    async def admit(self, admission: Admission) -> None:
        gvr = admission.resource.gvr
        finalizer = FINALIZERS.get(gvr.resource) if not gvr.group else None
        if finalizer is None or admission.object is None or not admission.is_create_of(gvr.resource):
            return
        metadata = admission.object["metadata"]
        finalizers = metadata.get("finalizers") or []
        if finalizer not in finalizers:
            metadata["finalizers"] = [*finalizers, finalizer]
