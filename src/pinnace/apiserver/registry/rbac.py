"""Roles and bindings: a write must not give more than its author holds, unless they may `escalate` or `bind`.

Rules: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import MASTERS
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.escalation import described, uncovered
from pinnace.apiserver.authz.rules import Rule
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry

Object = dict[str, Any]
_LETTING_GO = ("finalizers", "ownerReferences", "managedFields", "resourceVersion")
_EVERYTHING: list[Rule] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


def _only_lets_go(new: Object, old: Object | None) -> bool:
    """Nothing but finalizers and owners changes, as when garbage is collected. A label is more: roles aggregate by labels."""
    return old is not None and _without_owners(new) == _without_owners(old)


def _without_owners(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _LETTING_GO}
    return {**obj, "metadata": metadata}


class RbacRegistry(Registry):
    async def _may(self, ctx: WriteContext, verb: str, resource: str, namespace: str, name: str) -> bool:
        group = self.row.gvr.group
        asked = Attributes(ctx.user, verb, True, group, "v1", resource, namespace, name)
        return (await self.shared.authorizer.authorize(asked)).allowed

    async def _require_held(self, obj: Object, rules: list[Rule], ctx: WriteContext) -> None:
        metadata, gvr = obj["metadata"], self.row.gvr
        held = await self.shared.authorizer.rules_of(ctx.user, metadata.get("namespace", ""))
        missing = uncovered(held, rules)
        if missing:
            groups = ", ".join(f'"{group}"' for group in ctx.user.groups)
            why = (
                f'user "{ctx.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
                + "\n".join(map(described, missing))
            )
            raise errors.forbidden(gvr.resource, metadata.get("name", ""), why, gvr.group)


class RoleRegistry(RbacRegistry):
    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        if MASTERS in ctx.user.groups or _only_lets_go(new, old):
            return
        metadata = new["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        if await self._may(ctx, "escalate", self.row.gvr.resource, namespace, name):
            return
        if new.get("aggregationRule") or (old is not None and old.get("aggregationRule")):
            await self._require_everything(name, ctx)
        await self._require_held(new, new.get("rules") or [], ctx)

    async def _require_everything(self, name: str, ctx: WriteContext) -> None:
        """What a selector will match later is not known now."""
        if uncovered(await self.shared.authorizer.rules_of(ctx.user, ""), _EVERYTHING):
            why = "must have cluster-admin privileges to use the aggregationRule"
            raise errors.forbidden(self.row.gvr.resource, name, why, self.row.gvr.group)


class BindingRegistry(RbacRegistry):
    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        if MASTERS in ctx.user.groups or _only_lets_go(new, old):
            return
        namespace, reference = new["metadata"].get("namespace", ""), new.get("roleRef") or {}
        is_cluster = reference.get("kind") == "ClusterRole"
        gvr = r.CLUSTER_ROLES if is_cluster else r.ROLES
        name = reference.get("name", "")
        if await self._may(ctx, "bind", gvr.resource, namespace, name):
            return
        role = await self.shared.of(gvr).storage.get(name, "" if is_cluster else namespace)
        await self._require_held(new, role.obj.get("rules") or [], ctx)
