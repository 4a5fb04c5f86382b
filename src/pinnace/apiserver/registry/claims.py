"""ResourceClaims and their templates: administrators' access to devices only in namespaces that are marked for it.

ResourceSlices: taints say since when they are there."""

from typing import Any

from pinnace.api import fields
from pinnace.api import resources as r
from pinnace.api.resource import claim_rules
from pinnace.api.resource.slices import add_taint_times
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry

Object = dict[str, Any]
LABEL = "resource.kubernetes.io/admin-access"


class ResourceSliceRegistry(Registry):
    def stamp(self, new: Object, current: Object, ctx: WriteContext, subresource: str) -> None:
        add_taint_times(new, format_time(ctx.now))


class ResourceClaimRegistry(Registry):
    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        if old is not None:
            return  # specs do not change
        path, spec = "spec", new["spec"]
        if self.row.gvr == r.RESOURCE_CLAIM_TEMPLATES:
            path, spec = "spec.spec", spec.get("spec") or {}
        places = claim_rules.wants_admin_access(spec)
        if not places or await self._is_marked(new["metadata"]["namespace"]):
            return
        why = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"
        self._judge([fields.forbidden(f"{path}.{place}", why) for place in places], new)

    async def _is_marked(self, namespace: str) -> bool:
        try:
            stored = await self.shared.of(r.NAMESPACES).storage.get(namespace)
        except errors.NotFound:
            return False
        return (stored.obj["metadata"].get("labels") or {}).get(LABEL) == "true"
