"""The request metrics of `metrics.py` with their names, labels and help, made at a scrape; then what all other sources tell."""

from collections.abc import Iterator, Mapping

from pinnace.apiserver.metrics import DURATIONS, SLI_FROM, Metrics, Series
from pinnace.component import process
from pinnace.component.metrics import Family, Histogram, Sample

_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
_OWN = (*_LABELS, "component")
_COMPONENT = "apiserver"


def families(metrics: Metrics, build: Mapping[str, str]) -> Iterator[Family]:
    series = metrics.series
    yield from _requests(series)
    yield from _running(series)
    yield from _bodies(metrics)
    yield from _identity(metrics)
    text = "A metric with a constant '1' value labeled by what this server was built from and runs on."
    yield Family("kubernetes_build_info", text, "gauge", tuple(build), [(tuple(build.values()), 1)])
    yield from process.families()
    for source in (*metrics.sources, *metrics.parts.values()):
        yield from source()


def _requests(series: list[Series]) -> Iterator[Family]:
    done = [each for each in series if each.codes]
    yield Family(
        "apiserver_request_total",
        "Counter of apiserver requests by verb, dry run value, group, version, resource, scope, component, and response code.",
        "counter", (*_OWN, "dry_run", "code"),
        [((*each.labels, _COMPONENT, each.dry_run, str(code)), n) for each in done for code, n in each.codes.items()],
    )  # fmt: skip
    yield Family(
        "apiserver_request_duration_seconds",
        "Response latency distribution in seconds by verb, dry run value, group, version, resource, subresource, scope and component.",
        "histogram", (*_OWN, "dry_run"), [((*each.labels, _COMPONENT, each.dry_run), each.durations) for each in done],
    )  # fmt: skip
    yield Family(
        "apiserver_request_sli_duration_seconds",
        "Response latency distribution, not counting time in queues, in seconds by verb, group, version, resource, "
        "subresource, scope and component.",
        "histogram", _OWN, _without_dry_run(done),
    )  # fmt: skip
    yield Family(
        "apiserver_response_sizes",
        "Response size distribution in bytes by group, version, verb, resource, subresource, scope and component.",
        "histogram", _OWN, [((*each.labels, _COMPONENT), each.sizes) for each in done if each.sizes and not each.dry_run],
    )  # fmt: skip
    yield Family(
        "apiserver_request_aborts_total",
        "Number of requests that were broken off before they had an answer, by group, version, verb, resource, subresource and scope.",
        "counter", _LABELS, [(each.labels, each.aborted) for each in series if each.aborted],
    )  # fmt: skip
    asked = {each.labels[1:5] for each in done if each.deprecated}
    yield Family(
        "apiserver_requested_deprecated_apis",
        "Gauge of deprecated APIs that have been requested, by API group, version, resource, subresource, and removed_release.",
        "gauge", (*_LABELS[1:5], "removed_release"), [((*labels, ""), 1) for labels in sorted(asked)],
    )  # fmt: skip


def _without_dry_run(done: list[Series]) -> list[Sample]:
    """One histogram for the requests with and without dry run; the time in queues taken off."""
    joined: dict[tuple[str, ...], Histogram] = {}
    for each in done:
        counts, waited = each.durations.counts, each.waited or [0] * len(each.durations.counts)
        exact = [count + moved for count, moved in zip(counts, waited, strict=True)]
        histogram = joined.setdefault(each.labels, Histogram(DURATIONS[SLI_FROM:]))
        merged = [sum(exact[: SLI_FROM + 1]), *exact[SLI_FROM + 1 :]]
        histogram.counts = [a + b for a, b in zip(histogram.counts, merged, strict=True)]
        histogram.total += each.durations.total - each.waited_seconds
    return [((*labels, _COMPONENT), histogram) for labels, histogram in joined.items()]


def _running(series: list[Series]) -> Iterator[Family]:
    kinds = {"readOnly": 0, "mutating": 0}
    for each in series:
        if not each.is_long_running:
            kinds["readOnly" if each.is_reading else "mutating"] += each.running
    yield Family(
        "apiserver_current_inflight_requests", "Number of requests that are being worked on, by request kind.", "gauge",
        ("request_kind",), [((kind,), n) for kind, n in kinds.items()],
    )  # fmt: skip
    long = [each for each in series if each.is_long_running]
    yield Family(
        "apiserver_longrunning_requests",
        "Gauge of all active long-running apiserver requests by verb, group, version, resource, scope and component.",
        "gauge", _OWN, [((*each.labels, _COMPONENT), each.running) for each in long],
    )  # fmt: skip


def _bodies(metrics: Metrics) -> Iterator[Family]:
    yield Family(
        "apiserver_request_terminations_total",
        "Number of requests which apiserver terminated in self-defense.", "counter", (*_OWN, "code"),
        [((*labels, _COMPONENT, str(code)), n) for (labels, code), n in metrics.terminations.items()],
    )  # fmt: skip
    yield Family(
        "apiserver_request_body_size_bytes", "Apiserver request body size in bytes by resource and verb.",
        "histogram", ("group", "resource", "verb"), list(metrics.bodies.items()),
    )  # fmt: skip
    events = metrics.watch_events.items()
    labels = "group", "version", "resource"
    yield Family("apiserver_watch_events_total", "Number of events sent in watch clients", "counter", labels,
                 [(key, each.sizes.count) for key, each in events])  # fmt: skip
    yield Family("apiserver_watch_events_sizes", "Watch event size distribution in bytes", "histogram", labels,
                 [(key, each.sizes) for key, each in events])  # fmt: skip


def _identity(metrics: Metrics) -> Iterator[Family]:
    results = metrics.authentication.items()
    yield Family("authentication_attempts", "Counter of authenticated attempts.", "counter", ("result",),
                 [((result,), each.count) for result, each in results])  # fmt: skip
    yield Family("authentication_duration_seconds", "Authentication duration in seconds by result.", "histogram",
                 ("result",), [((result,), each) for result, each in results if each.count])  # fmt: skip
    yield Family("authenticated_user_requests", "Counter of authenticated requests by username.", "counter",
                 ("username",), [((name,), n) for name, n in metrics.users.items()])  # fmt: skip
    decisions = metrics.authorization.items()
    text = "Counter of authorization attempts by result: 'allowed', 'denied', 'no-opinion' or 'error'."
    yield Family("authorization_attempts_total", text, "counter", ("result",),
                 [((result,), each.count) for result, each in decisions])  # fmt: skip
    yield Family("authorization_duration_seconds", "Authorization duration in seconds by result.", "histogram",
                 ("result",), [((result,), each) for result, each in decisions if each.count])  # fmt: skip
    yield Family("apiserver_client_certificate_expiration_seconds",
                 "Distribution of the remaining lifetime on the certificate used to authenticate a request.",
                 "histogram", (), [((), metrics.certificates)])  # fmt: skip
