"""PersistentVolumeClaimResize: a claim grows only when it is bound and its storage class allows it."""

from decimal import Decimal

from pinnace.api import resources as r
from pinnace.apimachinery import errors, quantity
from pinnace.apiserver.admission.attributes import Admission, Object
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.registry.catalog import Registries

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


class PersistentVolumeClaimResize(BasePlugin):
    name = "PersistentVolumeClaimResize"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def validate(self, admission: Admission) -> None:
        new, old = admission.object, admission.old
        if admission.operation != "UPDATE" or not admission.is_for("persistentvolumeclaims"):
            return
        if new is None or old is None or _size(new) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise refused(admission, "Only bound persistent volume claims can be expanded")
        if not await self._may_grow(_class_of(new), _class_of(old)):
            why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
            raise refused(admission, why)

    async def _may_grow(self, new_class: str, old_class: str) -> bool:
        if not new_class or new_class != old_class:
            return False
        try:
            found = (await self._registries.of(r.STORAGE_CLASSES).storage.get(old_class)).obj
        except errors.NotFound:
            return False
        return bool(found.get("allowVolumeExpansion"))


def _size(claim: Object) -> Decimal:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return quantity.parse(requests.get("storage", "0"))


def _class_of(claim: Object) -> str:
    annotations = claim["metadata"].get("annotations") or {}
    name: str = annotations.get(_OLD_CLASS) or (claim.get("spec") or {}).get("storageClassName") or ""
    return name
