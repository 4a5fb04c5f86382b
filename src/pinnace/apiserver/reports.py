"""What all parts of the API server tell at a scrape besides its request metrics; imported with the first one."""

from collections.abc import Iterator

from pinnace.apiserver.admission import timings
from pinnace.apiserver.authz import reports as authorization
from pinnace.apiserver.services import Services
from pinnace.apiserver.storage import reports as storage
from pinnace.apiserver.webhooks import reports as webhooks
from pinnace.component.metrics import Family


def families(services: Services) -> Iterator[Family]:
    registries = services.registries
    yield from storage.metrics(registries.storages)
    yield from timings.families(registries.admission.timings)
    yield from webhooks.metrics(registries, services.aggregator)
    text = "Validation admission policy check total, by policy, binding, enforcement action and error type; what held is not counted."
    labels = ("policy", "policy_binding", "enforcement_action", "error_type")
    yield Family("apiserver_validating_admission_policy_check_total", text, "counter", labels,
                 list(registries.policy_checks.items()))  # fmt: skip
    yield from authorization.metrics(services.authorizer)
    if services.span_export is not None:
        samples = [(("sent",), services.span_export.sent), (("dropped",), services.span_export.dropped)]
        text = "Recorded spans that were to be sent to a collector, by what became of them."
        yield Family("pinnace_exported_spans_total", text, "counter", ("result",), samples)
    if services.fairness is not None:
        from pinnace.apiserver.flowcontrol import reports as flowcontrol

        yield from flowcontrol.metrics(services.fairness)
    if services.audit is not None:
        from pinnace.apiserver.audit import reports as audit

        yield from audit.metrics(services.audit)
