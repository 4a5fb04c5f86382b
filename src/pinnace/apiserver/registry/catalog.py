"""Which registry serves which resource: the generic one, or the class named here for a resource that differs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

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
from pinnace.apiserver.webhooks.counts import WebhookCounts
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from pinnace.apiserver.webhooks.client import WebhookClient

_CLASSES: dict[GVR, str] = {
    r.VALIDATING_ADMISSION_POLICIES: "policies:PolicyRegistry",
    r.VALIDATING_ADMISSION_POLICY_BINDINGS: "policies:BindingRegistry",
    r.MUTATING_ADMISSION_POLICIES: "policies:PolicyRegistry",
    r.MUTATING_ADMISSION_POLICY_BINDINGS: "policies:BindingRegistry",
    r.PODS: "pods:PodRegistry",
    r.NAMESPACES: "namespaces:NamespaceRegistry",
    r.PERSISTENT_VOLUMES: "volumes:PersistentVolumeRegistry",
    r.SERVICES: "services:ServiceRegistry",
    r.CERTIFICATE_SIGNING_REQUESTS: "certificates:CertificateSigningRequestRegistry",
    r.CLUSTER_ROLES: "rbac:RoleRegistry",
    r.ROLES: "rbac:RoleRegistry",
    r.CLUSTER_ROLE_BINDINGS: "rbac:BindingRegistry",
    r.ROLE_BINDINGS: "rbac:BindingRegistry",
    r.API_SERVICES: "api_services:APIServiceRegistry",
    r.CUSTOM_RESOURCE_DEFINITIONS: "definitions:DefinitionRegistry",
    r.RESOURCE_CLAIMS: "claims:ResourceClaimRegistry",
    r.RESOURCE_SLICES: "claims:ResourceSliceRegistry",
    r.RESOURCE_CLAIM_TEMPLATES: "claims:ResourceClaimRegistry",
}
Make = Callable[[Resource], Registry]


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
        self._makers: dict[GVR, Make] = {}  # of rows that were added at run time
        self.on_change: list[Callable[[], None]] = []  # called when rows have come or gone
        self._webhooks: WebhookClient | None = None
        self.webhook_calls = WebhookCounts()
        self.policy_checks: Counter[tuple[str, str, str, str]] = (
            Counter()
        )  # policy, binding, action, error type

    @property
    def webhooks(self) -> "WebhookClient":
        """Calls to admission and conversion webhooks; made at the first."""
        if self._webhooks is None:
            from pinnace.apiserver.webhooks.client import WebhookClient

            self._webhooks = WebhookClient(self, self.clock)
        return self._webhooks

    async def close(self) -> None:
        if self._webhooks is not None:
            await self._webhooks.close()

    @property
    def rows(self) -> list[Resource]:
        return list(self._rows.values())

    def row(self, gvr: GVR) -> Resource | None:
        return self._rows.get(gvr)

    def replace_rows(self, gone: Iterable[GVR], come: Mapping[Resource, Make]) -> None:
        """Rows at run time (custom resources): in effect at once. A row of the table is never replaced."""
        for gvr in gone:
            if gvr in self._makers:
                del self._makers[gvr], self._rows[gvr]
                self._made.pop(gvr, None)
        for row, make in come.items():
            if row.gvr not in self._rows or row.gvr in self._makers:
                self._rows[row.gvr], self._makers[row.gvr] = row, make
                self._made.pop(row.gvr, None)
        for changed in self.on_change:
            changed()

    def of(self, gvr: GVR) -> Registry:
        """Raises KeyError for a resource that is not served."""
        found = self._made.get(gvr)
        if found is None:
            found = self._made[gvr] = self._make(self._rows[gvr])
        return found

    def stored_count(self, gvr: GVR) -> int:
        """How many objects the watch cache of this resource holds; 0 for one that nobody has asked for yet."""
        made = self._made.get(gvr)
        return len(made.storage.cache.contents) if made is not None else 0

    def _make(self, row: Resource) -> Registry:
        if row.gvr in self._makers:
            return self._makers[row.gvr](row)
        strategy = strategy_for(row.gvr)
        if row.view_of is not None:
            self.of(row.view_of)  # whoever asks first for a shared storage names it
        storage = self.storages.of(row, strategy.field_labels)
        where = _CLASSES.get(row.gvr, "views:ViewRegistry" if row.view_of is not None else None)
        if where is None:
            return Registry(row, storage, strategy, self)
        module, _, name = where.partition(":")
        made: Registry = getattr(import_module(f"pinnace.apiserver.registry.{module}"), name)(
            row, storage, strategy, self
        )
        return made


def has_own_version(row: Resource) -> bool:
    """Whether the resource shows, in another version, objects that are stored for another resource, or none at all."""
    return row.view_of is not None or row.gvr in (r.COMPONENT_STATUSES, r.NODE_METRICS, r.POD_METRICS)
