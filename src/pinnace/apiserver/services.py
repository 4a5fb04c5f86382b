"""What the stations of the pipeline and the handlers share: finished dependencies of one running server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pinnace.apiserver.aggregation.aggregator import Aggregator
from pinnace.apiserver.authn.authenticator import Authenticator
from pinnace.apiserver.authn.service_accounts import ServiceAccountTokens
from pinnace.apiserver.authz.rbac import Authorizer
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.discovery import Discovery
from pinnace.apiserver.extensions.custom_resources import CustomResources
from pinnace.apiserver.filters.in_flight import InFlight
from pinnace.apiserver.flowcontrol.dispatcher import Dispatcher
from pinnace.apiserver.health import Health
from pinnace.apiserver.metrics import Metrics
from pinnace.apiserver.subresources.kubelets import Kubelets
from pinnace.apiserver.tracing import RequestTracer
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from pinnace.apiserver.audit.auditor import Auditor
    from pinnace.apiserver.openapi import OpenApi
    from pinnace.apiserver.registry.catalog import Registries
    from pinnace.component.span_export import SpanExport


DebugSource = Callable[[Sequence[str], Mapping[str, str]], Any]
"""(segments of the path below /debug/NAME, query) -> what is shown as JSON; None: there is no such page."""


@dataclass(slots=True)
class Services:
    config: ApiServerConfig
    clock: Clock
    registries: "Registries"
    tokens: ServiceAccountTokens
    authenticator: Authenticator
    authorizer: Authorizer
    in_flight: InFlight
    metrics: Metrics
    health: Health
    discovery: Discovery
    kubelets: Kubelets
    aggregator: Aggregator
    custom_resources: CustomResources
    audit: "Auditor | None" = None  # None: auditing is off
    fairness: Dispatcher | None = None  # None: `in_flight` limits instead
    openapi: "OpenApi | None" = None  # made at the first request for it: most servers are never asked
    debug: dict[str, DebugSource] = field(default_factory=dict)  # what other parts show below /debug/NAME
    tracer: RequestTracer | None = None  # None: nothing is recorded
    span_export: "SpanExport | None" = None
    port: int = 0  # known once the server listens

    def republish(self) -> None:
        """Rows have come or gone: documents of them are made anew when somebody asks."""
        self.discovery, self.openapi = Discovery(self.registries.rows), None
