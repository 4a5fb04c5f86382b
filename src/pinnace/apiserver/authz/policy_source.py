"""RBAC objects straight from the watch caches of their storages: no informer, no delay after a write."""

from pinnace.api import resources as r
from pinnace.apiserver.authz.rbac import Policy
from pinnace.apiserver.registry.catalog import Registries

_KINDS = (r.CLUSTER_ROLES, r.ROLES, r.CLUSTER_ROLE_BINDINGS, r.ROLE_BINDINGS)


class StoredPolicy:
    """Implements `authz.rbac.PolicySource`; `load` must have run once."""

    def __init__(self, registries: Registries) -> None:
        self._caches = [registries.of(gvr).storage.cache for gvr in _KINDS]

    async def load(self) -> None:
        for cache in self._caches:
            await cache.load()

    def version(self) -> object:
        return tuple(cache.changed_at for cache in self._caches)

    def policy(self) -> Policy:
        return Policy(*([item.obj for item in cache.contents] for cache in self._caches))
