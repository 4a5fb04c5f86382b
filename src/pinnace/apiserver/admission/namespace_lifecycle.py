"""NamespaceLifecycle: nothing is created in a namespace that is missing or going away; system namespaces stay."""

from pinnace.api import resources as r
from pinnace.api.core import namespaces
from pinnace.apimachinery import errors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

_IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class NamespaceLifecycle(BasePlugin):
    name = "NamespaceLifecycle"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def admit(self, admission: Admission) -> None:
        """Early, so that a missing namespace is told before anything else about the object."""
        if admission.operation == "CREATE" and admission.resource.namespaced:
            await self._check(admission)

    async def validate(self, admission: Admission) -> None:
        if admission.operation == "DELETE" and admission.is_for("namespaces") and admission.name in _IMMORTAL:
            raise errors.forbidden("namespaces", admission.name, "this namespace may not be deleted")

    async def _check(self, admission: Admission) -> None:
        item = await self._registries.of(r.NAMESPACES).storage.get(admission.namespace)
        if not (item.obj["metadata"].get("deletionTimestamp") or namespaces.is_terminating(item.obj)):
            return
        gvr = admission.resource.gvr
        why = (
            f"unable to create new content in namespace {admission.namespace} because it is being terminated"
        )
        error = errors.forbidden(gvr.resource, admission.name, why, gvr.group)
        cause = Cause(
            "NamespaceTerminating",
            f"namespace {admission.namespace} is being terminated",
            "metadata.namespace",
        )
        error.causes = (cause,)
        raise error
