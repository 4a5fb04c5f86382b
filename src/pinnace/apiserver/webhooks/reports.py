"""What calls of webhooks and the availability of extension servers look like in `/metrics`, under upstream's names."""

from collections.abc import Iterator

from pinnace.apiserver.aggregation.aggregator import Aggregator
from pinnace.apiserver.registry.catalog import Registries
from pinnace.component.metrics import Family

_PREFIX = "apiserver_admission_webhook_"
_BY = "by name, admission type and operation."


def metrics(registries: Registries, aggregator: Aggregator) -> Iterator[Family]:
    counts, one = registries.webhook_calls, ("name", "type", "operation")
    yield Family(_PREFIX + "request_total", f"Admission webhook request total, {_BY}", "counter",
                 (*one, "code", "rejected"), list(counts.requests.items()))  # fmt: skip
    yield Family(_PREFIX + "rejection_count", f"Admission webhook rejection count, {_BY}", "counter",
                 (*one, "error_type", "rejection_code"), list(counts.rejections.items()))  # fmt: skip
    yield Family(_PREFIX + "fail_open_count", "Admission webhook fail open count, by name and admission type.", "counter",
                 one[:2], list(counts.failed_open.items()))  # fmt: skip
    yield Family(_PREFIX + "admission_duration_seconds", f"Admission webhook latency histogram in seconds, {_BY}",
                 "histogram", (*one, "rejected"), list(counts.durations.items()))  # fmt: skip
    yield Family("apiserver_crd_conversion_webhook_duration_seconds", "CRD webhook conversion duration in seconds", "histogram",
                 ("crd_name", "from_version", "to_version", "succeeded"), list(counts.conversions.items()))  # fmt: skip
    services = [
        ((each.name,), float(not each.is_available)) for each in aggregator.registrations.all().values()
    ]
    text = "Gauge of APIServices which are marked as unavailable by APIService name."
    yield Family("aggregator_unavailable_apiservice", text, "gauge", ("name",), services)
