"""OwnerReferencesPermissionEnforcement: who sets owners must be allowed to delete the object, and to block its owner's deletion."""

from collections.abc import Iterator

from pinnace.apimachinery.gvk import GVR, parse_api_version
from pinnace.apiserver.admission.attributes import Admission, Object
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.registry.catalog import Registries


class OwnerReferencesPermissionEnforcement(BasePlugin):
    name = "OwnerReferencesPermissionEnforcement"
    validates = ("CREATE", "UPDATE")

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def validate(self, admission: Admission) -> None:
        if admission.object is None or admission.kind != admission.resource.gvk:
            return
        new, old = _owners(admission.object), _owners(admission.old)
        if new == old:
            return
        if admission.operation != "CREATE" or new:
            await self._require_delete(admission)
        for owner in _newly_blocking(new, old):
            await self._require_finalizers(admission, owner)

    async def _require_delete(self, admission: Admission) -> None:
        reason = await self._refusal(admission, "delete", admission.resource.gvr, admission.name)
        if reason is not None:
            why = f"cannot set an ownerRef on a resource you can't delete: {reason}, <nil>"
            raise refused(admission, why)

    async def _require_finalizers(self, admission: Admission, owner: Object) -> None:
        group, _ = parse_api_version(owner.get("apiVersion", ""))
        rows = [
            row for row in self._registries.rows if row.kind == owner.get("kind") and row.gvr.group == group
        ]
        if not rows:
            why = f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {owner.get('apiVersion')} Kind {owner.get('kind')}"
            raise refused(admission, why)
        row = rows[0]
        namespace = admission.namespace if row.namespaced else ""
        reason = await self._refusal(
            admission, "update", row.gvr, owner.get("name", ""), "finalizers", namespace
        )
        if reason is not None:
            why = f"cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: {reason}, <nil>"
            raise refused(admission, why)

    async def _refusal(
        self,
        admission: Admission,
        verb: str,
        gvr: GVR,
        name: str,
        subresource: str = "",
        namespace: str | None = None,
    ) -> str | None:
        space = admission.namespace if namespace is None else namespace
        asked = Attributes(
            admission.user, verb, True, gvr.group, gvr.version, gvr.resource, space, name, subresource
        )
        decision = await self._registries.authorizer.authorize(asked)
        return None if decision.allowed else decision.reason


def _owners(obj: Object | None) -> list[Object]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or []


def _newly_blocking(new: list[Object], old: list[Object]) -> Iterator[Object]:
    before = {owner.get("uid") for owner in old if owner.get("blockOwnerDeletion")}
    for owner in new:
        if owner.get("blockOwnerDeletion") and owner.get("uid") not in before:
            yield owner
