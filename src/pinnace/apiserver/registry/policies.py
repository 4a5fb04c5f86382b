"""Admission policies and bindings: whoever configures parameters must be allowed to read them.

Otherwise a policy could be used to learn what its author may not see. Upstream:
https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/admissionregistration/validatingadmissionpolicy/authz.go
"""

from typing import ClassVar

from pinnace.api import fields
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR, parse_api_version
from pinnace.apiserver.authn.user import MASTERS
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.registry.base import Object
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry

EVERYTHING = GVR("*", "*", "*")


class _ParamsRegistry(Registry):
    async def _may(
        self, ctx: WriteContext, verb: str, params: GVR, namespace: str = "*", name: str = "*"
    ) -> bool:
        if MASTERS in ctx.user.groups:
            return True
        asked = Attributes(
            ctx.user, verb, True, params.group, params.version, params.resource, namespace, name
        )
        decision = await self.shared.authorizer.authorize(asked)
        return decision.allowed

    def _params(self, kind: Object | None) -> GVR:
        """The resource of a paramKind; all resources of the group when it is not served (yet)."""
        if kind is None:
            return EVERYTHING
        group, version = parse_api_version(kind.get("apiVersion") or "")
        for row in self.shared.rows:
            if row.kind == kind.get("kind") and row.gvr.group == group and row.gvr.version == version:
                return row.gvr
        return GVR(group, version, "*")

    def _forbid(self, obj: Object, path: str, why: str) -> None:
        cause = fields.forbidden(path, why)
        raise errors.invalid(self.row.kind, obj["metadata"].get("name", ""), [cause], self.row.gvr.group)


class PolicyRegistry(_ParamsRegistry):
    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        kind = new["spec"].get("paramKind")
        if kind is None or (old is not None and old["spec"].get("paramKind") == kind):
            return
        if not await self._may(ctx, "get", self._params(kind)):
            why = (
                f'user {ctx.user.name} must have "get" permission on all objects of the referenced paramKind '
                f"(kind={kind.get('kind')}, apiVersion={kind.get('apiVersion')})"
            )
            self._forbid(new, "spec.paramKind", why)


class BindingRegistry(_ParamsRegistry):
    policies: ClassVar[dict[GVR, GVR]] = {
        r.VALIDATING_ADMISSION_POLICY_BINDINGS: r.VALIDATING_ADMISSION_POLICIES,
        r.MUTATING_ADMISSION_POLICY_BINDINGS: r.MUTATING_ADMISSION_POLICIES,
    }

    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        spec, before = new["spec"], (old or {}).get("spec") or {}
        reference = spec.get("paramRef")
        if reference is None or MASTERS in ctx.user.groups:
            return
        if reference == before.get("paramRef") and spec["policyName"] == before.get("policyName"):
            return
        try:
            policies = self.shared.of(self.policies[self.row.gvr]).storage
            policy = (await policies.get(spec["policyName"])).obj
            if policy["spec"].get("paramKind") is None:
                return
            params = self._params(policy["spec"]["paramKind"])
        except errors.NotFound:
            params = EVERYTHING
        name, verb = reference.get("name"), "get" if reference.get("name") else "list"
        if not await self._may(ctx, verb, params, reference.get("namespace") or "*", name or "*"):
            why = (
                f'user {ctx.user.name} does not have "{verb}" permission on the object referenced by paramRef'
            )
            self._forbid(new, "spec.paramRef", why)
