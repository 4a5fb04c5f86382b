"""What calls of webhooks and the availability of extension servers look like in `/metrics`, under upstream's names."""

from collections.abc import Iterator

from pinnace.apiserver.aggregation.aggregator import Aggregator
from pinnace.apiserver.metrics import Family
from pinnace.apiserver.registry.catalog import Registries

_LABELS = ("name", "type", "operation", "code", "rejected")


def metrics(registries: Registries, aggregator: Aggregator) -> Iterator[Family]:
    calls = registries.webhook_calls
    if calls:
        samples = [(labels, float(count)) for labels, count in calls.items()]
        text = "Admission webhook request total, identified by name and broken out for each admission type and operation."
        yield "apiserver_admission_webhook_request", text, "counter", _LABELS, samples
    services = [((one.name,), float(not one.is_available)) for one in aggregator.registrations.all().values()]
    text = "Gauge of APIServices which are marked as unavailable broken down by APIService name."
    yield "aggregator_unavailable_apiservice", text, "gauge", ("name",), services
