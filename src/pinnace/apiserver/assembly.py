"""Builds the parts of one server from its configuration: the only module that knows them all."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.admission.catalog import build_chain
from pinnace.apiserver.aggregation.aggregator import Aggregator
from pinnace.apiserver.authn.authenticator import Authenticator
from pinnace.apiserver.authn.configuration import build_reviewers
from pinnace.apiserver.authn.request_header import front_proxy
from pinnace.apiserver.authn.service_accounts import Lookup, Object, ServiceAccountTokens
from pinnace.apiserver.authn.static_tokens import StaticTokens
from pinnace.apiserver.authz.configuration import build_authorizer
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.discovery import Discovery
from pinnace.apiserver.extensions.custom_resources import CustomResources
from pinnace.apiserver.filters.in_flight import InFlight
from pinnace.apiserver.flowcontrol.dangling import Dangling
from pinnace.apiserver.flowcontrol.dispatcher import Dispatcher
from pinnace.apiserver.flowcontrol.source import StoredConfiguration
from pinnace.apiserver.health import STEPS, Health
from pinnace.apiserver.metrics import Metrics
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.services import DebugSource, Services
from pinnace.apiserver.storage.encryption import Encryption
from pinnace.apiserver.storage.storages import Storages
from pinnace.apiserver.subresources.kubelets import Kubelets
from pinnace.apiserver.tracing import RequestTracer
from pinnace.component.clock import Clock
from pinnace.component.metrics import Family
from pinnace.store.backend import Backend, StoreError

if TYPE_CHECKING:
    from pinnace.apiserver.audit.auditor import Auditor
    from pinnace.component.span_export import SpanExport

STORE_CHECK_SECONDS = 2.0
JUDGED_BY = (
    r.CUSTOM_RESOURCE_DEFINITIONS, r.CLUSTER_ROLES, r.ROLES, r.CLUSTER_ROLE_BINDINGS, r.ROLE_BINDINGS,
)  # fmt: skip


def build_services(config: ApiServerConfig, backend: Backend, clock: Clock) -> Services:
    lifetime = timedelta(seconds=config.event_ttl_seconds)
    storages = Storages(backend, clock, event_lifetime=lifetime, encryption=_encryption(config))
    registries = Registries(storages, clock, config)
    registries.authorizer = build_authorizer(config, registries, clock)
    registries.admission = build_chain(config, registries)
    lookup = _lookup(registries)
    tokens = ServiceAccountTokens(
        config.service_account_key_file, config.issuers, config.audiences, clock, lookup,
        config.service_account_verification_keys,
    )  # fmt: skip
    reviewers, anonymous = build_reviewers(config, clock, lookup)
    static = StaticTokens.load(config.token_auth_file) if config.token_auth_file else None
    authenticator = Authenticator(static, (tokens, *reviewers), anonymous)
    authenticator.front_proxy = front_proxy(config)
    services = Services(
        config=config,
        clock=clock,
        registries=registries,
        tokens=tokens,
        authenticator=authenticator,
        authorizer=registries.authorizer,
        in_flight=InFlight(config.max_requests_inflight, config.max_mutating_requests_inflight),
        metrics=Metrics(),
        health=_health(backend, registries, clock, fair=config.enable_priority_and_fairness),
        discovery=Discovery(registries.rows),
        kubelets=Kubelets(config, registries),
        audit=_auditor(config, clock),
        aggregator=_aggregator(config, registries, clock),
        custom_resources=CustomResources(registries, clock),
        fairness=_fairness(config, registries, clock),
        tracer=RequestTracer(clock, config.trace_buffer_bytes) if config.trace_buffer_bytes else None,
    )
    if services.tracer is not None:
        services.debug["pinnace"] = _trace_page(services.tracer)
        services.span_export = _span_export(config, clock, services.tracer)
    registries.on_change.append(services.republish)
    _tell_metrics(services)
    return services


def _span_export(config: ApiServerConfig, clock: Clock, tracer: RequestTracer) -> "SpanExport | None":
    if config.tracing_config_file is None:
        return None
    from pinnace.apiserver.tracing_config import MILLION, load_tracing_configuration
    from pinnace.component.span_export import SpanExport

    told = load_tracing_configuration(config.tracing_config_file)
    rate = told.sampling_rate_per_million / MILLION
    tracer.exporter = export = SpanExport(
        tracer, clock, told.endpoint, rate, f"{config.advertise_address}:{config.port}"
    )
    return export


def _trace_page(tracer: RequestTracer) -> DebugSource:
    def shown(path: Sequence[str], query: Mapping[str, str]) -> Any:
        from pinnace.component.trace_page import show

        return show(tracer, path, query)

    return shown


def _tell_metrics(services: Services) -> None:
    """Asked at a scrape, which is also when the modules that only describe are imported."""

    def describe() -> Iterator[Family]:
        from pinnace.apiserver.reports import families

        yield from families(services)

    services.metrics.sources.append(describe)
    services.metrics.wall_offset = services.clock.now().timestamp() - services.clock.monotonic()


def _fairness(config: ApiServerConfig, registries: Registries, clock: Clock) -> Dispatcher | None:
    if not config.enable_priority_and_fairness:
        return None
    total = config.max_requests_inflight + config.max_mutating_requests_inflight
    dangling = Dangling(registries, clock)
    return Dispatcher(StoredConfiguration(registries), clock, total=total, on_change=dangling.look_soon)


def _health(backend: Backend, registries: Registries, clock: Clock, *, fair: bool) -> Health:
    async def store() -> str:
        try:
            await clock.wait_for(backend.revision(), STORE_CHECK_SECONDS)
        except TimeoutError:
            return f"no answer within {STORE_CHECK_SECONDS:.0f} s"
        except StoreError as error:
            return str(error)
        return ""

    async def informers() -> str:
        """The caches by which every request is judged follow the store."""
        try:
            for gvr in JUDGED_BY:
                await registries.of(gvr).storage.cache.load()
        except StoreError as error:
            return f"{gvr.qualified} not started yet: {error}"
        return ""

    health = Health()
    for checks in (health.live, health.ready):
        checks["etcd"] = store  # the name under which monitoring knows the store
    health.ready["etcd-readiness"], health.ready["informer-sync"] = store, informers
    health.expect(*(step for step in STEPS if fair or not step.endswith("config-consumer")))
    health.complete()
    return health


def _encryption(config: ApiServerConfig) -> Encryption | None:
    if config.encryption_provider_config is None:
        return None
    from pinnace.apiserver.storage.encryption_config import load_encryption

    return load_encryption(config.encryption_provider_config)


def _auditor(config: ApiServerConfig, clock: Clock) -> "Auditor | None":
    if not config.audit.is_on:
        return None
    from pinnace.apiserver.audit.auditor import build_auditor

    return build_auditor(config.audit, clock)


def _aggregator(config: ApiServerConfig, registries: Registries, clock: Clock) -> Aggregator:
    aggregator = Aggregator(config, registries, clock)
    registries.on_change.append(aggregator.rows_changed)
    return aggregator


def _lookup(registries: Registries) -> Lookup:
    async def lookup(gvr: GVR, namespace: str, name: str) -> Object | None:
        try:
            return (await registries.of(gvr).storage.get(name, namespace)).obj
        except errors.NotFound:
            return None

    return lookup
