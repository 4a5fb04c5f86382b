"""Which spans are sent, and what is counted when they are too many; no collector is needed for that."""

from pinnace.component.span_export import BATCH, MOST_WAITING, SpanExport
from pinnace.component.tracing import About, Tracer, parse_traceparent, traceparent
from pinnace.testing.fake_clock import FakeClock

ABOUT = About("pods", "default", "web")


def made(rate: float) -> tuple[Tracer, SpanExport]:
    clock = FakeClock()
    tracer = Tracer(clock)
    tracer.exporter = export = SpanExport(tracer, clock, "localhost:1", rate, "")
    return tracer, export


async def test_about_the_wanted_share_of_traces_goes_and_each_as_a_whole() -> None:
    tracer, export = made(0.25)
    roots = [tracer.begin("a", "b", ABOUT) for _ in range(2000)]
    assert 400 < sum(map(export.wants, roots)) < 600
    assert all(
        export.wants(tracer.begin("a", "c", ABOUT, parent=root)) == export.wants(root) for root in roots
    )


async def test_all_and_none() -> None:
    for rate, wanted in ((1.0, True), (0.0, False)):
        tracer, export = made(rate)
        span = tracer.begin("a", "b", ABOUT)
        assert export.wants(span) is wanted
        carried = parse_traceparent(traceparent(span))
        assert carried is not None
        assert carried.is_sampled is wanted


async def test_what_does_not_fit_is_counted() -> None:
    tracer, export = made(1.0)
    for _ in range(MOST_WAITING + 3):
        tracer.record(tracer.begin("a", "b", ABOUT))
    assert export.dropped == 3


async def test_spans_that_go_on_wait_and_keep_nobody_from_being_sent() -> None:
    tracer, export = made(1.0)
    spans = [tracer.begin("a", "b", ABOUT) for _ in range(MOST_WAITING)]
    for span in spans:
        tracer.record(span)
    assert export._take() == []
    done = tracer.begin("a", "c", ABOUT)
    done.end()
    tracer.record(done)
    spans[5].end()
    assert export._take() == [spans[5], done]
    for span in spans:
        span.end()
    rest = [span for span in spans if span is not spans[5]]
    assert export._take() == rest[:BATCH]
    assert export._take() == rest[BATCH : 2 * BATCH]
    assert export.dropped == 0
