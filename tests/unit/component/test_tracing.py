"""Spans: parents, the ring and its limit, the header of the W3C, and the page."""

import asyncio
from typing import Any

import pytest

from pinnace.component.trace_page import show
from pinnace.component.tracing import (
    CURRENT,
    OPEN,
    SPAN_BYTES,
    About,
    Remote,
    Span,
    Tracer,
    Within,
    happened,
    parse_traceparent,
    related,
    step,
    traceparent,
)
from pinnace.testing.fake_clock import FakeClock

WEB = About("pods", "shop", "web")


def recorded(tracer: Tracer, name: str, revision: int = 0, **more: Any) -> Span:
    span = tracer.begin("part", name, more.pop("about", WEB), **more)
    span.end()
    tracer.record(span, revision)
    return span


def test_a_span_that_a_revision_caused_is_a_child_of_who_wrote_it() -> None:
    tracer = Tracer(FakeClock())
    request = recorded(tracer, "create", revision=7)
    child, other = (
        tracer.begin("c", "reconcile", WEB, cause="7"),
        tracer.begin("c", "reconcile", WEB, cause="8"),
    )
    assert (child.parent, child.trace) == (request.id, request.trace)
    assert request.has_children
    assert (other.parent, other.trace != request.trace) == (0, True)


def test_a_span_that_begins_inside_another_is_its_child_also_in_tasks() -> None:
    async def main() -> None:
        tracer = Tracer(FakeClock())
        outer = tracer.begin("kubelet", "run pod", WEB)
        outer.uid = "u1"

        async def work() -> None:
            with step("pull image", image="x"):
                happened("seen")

        with Within(outer):
            await asyncio.create_task(work())
        assert CURRENT.get() is None
        pull, seen = tracer.spans()
        assert (pull.parent, seen.parent, pull.uid, pull.about) == (outer.id, pull.id, "u1", WEB)
        assert pull.ended != OPEN

    asyncio.run(main())


def test_nothing_is_recorded_outside_of_a_span() -> None:
    with step("pull image"):
        happened("seen")
    assert CURRENT.get() is None


def test_an_error_is_a_fact_of_the_span() -> None:
    tracer = Tracer(FakeClock())
    with (
        Within(tracer.begin("kubelet", "run pod", WEB)),
        pytest.raises(ValueError, match="no"),
        step("sandbox"),
    ):
        raise ValueError("no")
    assert tracer.spans()[0].told() == {"error": "no"}


def test_the_ring_keeps_the_newest_and_forgets_their_revisions_with_the_others() -> None:
    tracer = Tracer(FakeClock(), most_bytes=3 * SPAN_BYTES)
    spans = [recorded(tracer, f"s{at}", revision=at) for at in range(1, 6)]
    assert tracer.spans() == spans[2:]
    assert (tracer.bytes, tracer.dropped) == (3 * SPAN_BYTES, 2)
    assert tracer.writer_of("2") is None
    assert tracer.writer_of("3") is spans[2]


def test_long_facts_take_their_room() -> None:
    tracer = Tracer(FakeClock(), most_bytes=20 * SPAN_BYTES)
    for _ in range(50):
        span = tracer.begin("part", "x", WEB)
        span.facts = {"error": "e" * 10 * SPAN_BYTES}
        tracer.record(span)
    assert len(tracer) == 1


def test_related_are_ancestors_and_descendants_but_no_siblings() -> None:
    tracer = Tracer(FakeClock())
    root = recorded(tracer, "root", revision=1)
    mine, sibling = recorded(tracer, "mine", revision=2, cause="1"), recorded(tracer, "sibling", cause="1")
    below = recorded(tracer, "below", cause="2")
    found = related(tracer.spans(), lambda span: span is mine)
    assert found == [root, mine, below]
    assert sibling not in found


@pytest.mark.parametrize(
    "header",
    [
        "", "00-1-2-01", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'0' * 16}-01", f"ff-{'1' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'1' * 16}-01-more", f"00-{'G' * 32}-{'1' * 16}-01", f"00-{'A' * 32}-{'1' * 16}-01",
    ],
)  # fmt: skip
def test_a_wrong_header_is_ignored(header: str) -> None:
    assert parse_traceparent(header) is None


def test_a_header_carries_a_span_to_another_process() -> None:
    here, there = Tracer(FakeClock()), Tracer(FakeClock())
    span = here.begin("kubelet", "run pod", WEB)
    carried = parse_traceparent(traceparent(span))
    assert carried == Remote(span.trace, span.id, is_sampled=False)
    child = there.begin("apiserver", "patch", WEB, parent=carried)
    assert (child.trace, child.parent) == (span.trace, span.id)
    assert parse_traceparent(f"01-{'1' * 32}-{'2' * 16}-00-of-tomorrow") == Remote(
        int("1" * 32, 16), int("2" * 16, 16), False
    )


def test_the_page_shows_what_has_to_do_with_an_object() -> None:
    clock = FakeClock()
    tracer = Tracer(clock)
    span = tracer.begin("part", "create", WEB)
    span.uid = "new"
    tracer.record(span, 1)
    old = tracer.begin("part", "create", WEB)
    old.uid = "old"
    tracer.record(old, 2)
    recorded(tracer, "other", about=About("pods", "shop", "other"))
    query = {"resource": "pods", "namespace": "shop", "name": "web", "uid": "new,newer"}
    page = show(tracer, ["trace"], query)
    [shown] = page["spans"]
    assert (shown["object"], shown["uid"], shown["end"], shown["parentSpanID"]) == ("web", "new", None, "")
    assert shown["start"] == pytest.approx(clock.now().timestamp())
    assert len(show(tracer, ["trace"], {})["spans"]) == 3
    assert show(tracer, ["trace"], {"limit": "1"})["leftOut"] == 2
    assert show(tracer, ["nothing"], {}) is None
    assert "trace" in show(tracer, [""], {})["pages"]
