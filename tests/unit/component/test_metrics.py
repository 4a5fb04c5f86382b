"""Histograms, and the two texts in which a scrape shows numbers."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from pinnace.component.metrics import OPENMETRICS, TEXT, Family, Histogram, exponential, media_type, render


def families() -> list[Family]:
    histogram = Histogram((0.1, 1))
    for value in (0.1, 0.5, 7):
        histogram.observe(value)
    return [
        Family("b_total", "Counts \\ things.", "counter", ("a",), [(('x"y\n',), 3)]),
        Family("attempts", "Has no suffix.", "counter", (), [((), 2)]),
        Family("h_seconds", "Takes time.", "histogram", ("z",), [(("q",), histogram)]),
        Family("empty", "Has no samples.", "gauge", (), []),
        Family("b_total", "Counts \\ things.", "counter", ("a",), [(("other",), 0.5)]),
    ]


def test_text_says_what_was_counted() -> None:
    found = {family.name: family for family in parse(render(families()).decode())}
    assert set(found) == {"b", "attempts", "h_seconds"}
    assert [(s.labels, s.value) for s in found["b"].samples] == [({"a": 'x"y\n'}, 3), ({"a": "other"}, 0.5)]
    assert found["b"].documentation == "Counts \\ things."
    assert b"\nattempts 2\n" in render(families())
    buckets = [(s.labels["le"], s.value) for s in found["h_seconds"].samples if s.name.endswith("_bucket")]
    assert buckets == [("0.1", 1), ("1", 2), ("+Inf", 3)]
    assert [s.value for s in found["h_seconds"].samples[-2:]] == [7.6, 3]


def test_openmetrics_counters_end_in_total() -> None:
    text = render(families(), OPENMETRICS).decode()
    assert text.endswith("# EOF\n")
    found = {family.name: family for family in parse_open(text)}
    assert found["attempts"].samples[0].name == "attempts_total"
    assert found["b"].type == "counter"


def test_who_prefers_openmetrics_gets_it() -> None:
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    assert media_type(prometheus) == OPENMETRICS
    assert media_type("text/plain;q=0.9,application/openmetrics-text;q=0.2") == TEXT
    assert media_type("") == media_type("*/*") == media_type("application/json") == TEXT


def test_bounds_are_upstreams() -> None:
    assert exponential(0.001, 2, 4) == (0.001, 0.002, 0.004, 0.008)
