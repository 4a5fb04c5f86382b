"""NamespaceExists and NamespaceAutoProvision: refuse, or make, the namespace that a request names. Off by default, as upstream."""

from contextlib import suppress

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.registry.context import WriteContext


class _NamespacePlugin(BasePlugin):
    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def _is_missing(self, admission: Admission) -> bool:
        try:
            await self._registries.of(r.NAMESPACES).storage.get(admission.namespace)
        except errors.NotFound:
            return True
        return False


class NamespaceExists(_NamespacePlugin):
    name = "NamespaceExists"

    async def validate(self, admission: Admission) -> None:
        if not admission.resource.namespaced or admission.operation == "CONNECT":
            return
        if await self._is_missing(admission):
            raise errors.not_found("namespaces", admission.namespace)


class NamespaceAutoProvision(_NamespacePlugin):
    name = "NamespaceAutoProvision"

    async def admit(self, admission: Admission) -> None:
        if not admission.resource.namespaced or admission.operation != "CREATE" or admission.dry_run:
            return
        if not await self._is_missing(admission):
            return
        made = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": admission.namespace}}
        ctx = WriteContext(admission.user, admission.now, manager="kube-apiserver")
        with suppress(errors.AlreadyExists):
            await self._registries.of(r.NAMESPACES).create(made, "", ctx)
