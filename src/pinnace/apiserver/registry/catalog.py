"""Which registry serves which resource: the generic one, or the class named here for a resource that differs."""

from collections.abc import Iterable
from importlib import import_module

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery.apply.comparison import Comparison
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.remembered import Remembered
from pinnace.apimachinery.schema import Schema, schemas
from pinnace.apiserver.admission.chain import Chain
from pinnace.apiserver.authz.rbac import AlwaysAllow, Authorizer
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.storage.storages import Storages
from pinnace.component.clock import Clock

_CLASSES: dict[GVR, str] = {
    r.PODS: "pods:PodRegistry",
    r.NAMESPACES: "namespaces:NamespaceRegistry",
    r.SERVICES: "services:ServiceRegistry",
    r.CLUSTER_ROLES: "rbac:RoleRegistry",
    r.ROLES: "rbac:RoleRegistry",
    r.CLUSTER_ROLE_BINDINGS: "rbac:BindingRegistry",
    r.ROLE_BINDINGS: "rbac:BindingRegistry",
    r.EVENTS_V1: "events:EventsV1Registry",
}


class Registries:
    """One registry per stored resource, made at first use."""

    def __init__(
        self, storages: Storages, clock: Clock, config: ApiServerConfig, rows: Iterable[Resource] = r.TABLE
    ) -> None:
        self.storages, self.clock, self.config = storages, clock, config
        self.authorizer: Authorizer = AlwaysAllow()  # as `admission`
        self.admission = Chain()  # the assembly sets the real one: plugins read through these registries
        self.schemas = schemas
        self.creations: Remembered[tuple[Schema | None, Comparison]] = Remembered()  # for managed fields
        self._rows = {row.gvr: row for row in rows}
        self._made: dict[GVR, Registry] = {}

    @property
    def rows(self) -> list[Resource]:
        return list(self._rows.values())

    def row(self, gvr: GVR) -> Resource | None:
        return self._rows.get(gvr)

    def of(self, gvr: GVR) -> Registry:
        """Raises KeyError for a resource that is not served."""
        found = self._made.get(gvr)
        if found is None:
            found = self._made[gvr] = self._make(self._rows[gvr])
        return found

    def _make(self, row: Resource) -> Registry:
        strategy = strategy_for(row.gvr)
        if row.gvr == r.EVENTS_V1:
            self.of(r.EVENTS)  # whoever asks first for a shared storage names it
        storage = self.storages.of(row, strategy.field_labels)
        where = _CLASSES.get(row.gvr)
        if where is None:
            return Registry(row, storage, strategy, self)
        module, _, name = where.partition(":")
        made: Registry = getattr(import_module(f"pinnace.apiserver.registry.{module}"), name)(
            row, storage, strategy, self
        )
        return made


def has_own_version(row: Resource) -> bool:
    """Whether the resource shows, in another version, objects that are stored for another resource, or none at all."""
    return row.gvr in (r.EVENTS_V1, r.NODE_METRICS, r.POD_METRICS)
