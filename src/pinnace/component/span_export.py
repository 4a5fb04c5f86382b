"""Recorded spans sent to a collector in batches, by OTLP over gRPC; the packages for it are imported with the first batch, in a thread.

What does not fit into the queue, and what the collector did not take, is counted: recording never waits for a collector.
"""

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pinnace.component.clock import Clock
from pinnace.component.tracing import OPEN, Span, Tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

# As the SDKs of OpenTelemetry.
MOST_WAITING, BATCH, BATCH_SECONDS = 2048, 512, 5.0
MOST_FOLLOWED = 10_000  # traces that clients have begun
SECONDS_TO_ANSWER = 10.0
_MASK, _SPREAD = (
    2**64 - 1,
    0x9E3779B97F4A7C15,
)  # of 2**64 the golden section: numbers in a row come to lie evenly


class SpanExport:
    """`rate`: the share of traces, 0 to 1; a trace goes whole or not at all."""

    def __init__(
        self,
        tracer: Tracer,
        clock: Clock,
        endpoint: str,
        rate: float,
        instance: str,
        service: str = "apiserver",
    ) -> None:
        self._service = service
        self._tracer, self._clock, self._endpoint, self._instance = tracer, clock, endpoint, instance
        self._below = int(rate * 2**64)
        self._waiting: deque[Span] = deque()  # since the last batch
        self._open: deque[Span] = deque()  # had not ended then
        self._followed: dict[int, None] = {}
        self._full = asyncio.Event()
        self._some = asyncio.Event()
        self._exporter: SpanExporter | None = None
        self._sending: asyncio.Task[None] | None = None
        self.sent = self.dropped = 0

    def follow(self, trace: int) -> None:
        """A client wants this one."""
        self._followed[trace] = None
        if len(self._followed) > MOST_FOLLOWED:
            del self._followed[next(iter(self._followed))]

    def wants(self, span: Span) -> bool:
        return span.trace in self._followed or (span.trace * _SPREAD & _MASK) < self._below

    def offer(self, span: Span) -> None:
        """It may still be going on: it is sent when it has ended."""
        if not self.wants(span):
            return
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(span)
        self._some.set()
        if len(self._waiting) >= BATCH:
            self._full.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                await self._clock.wait_for(self._full.wait(), BATCH_SECONDS)
            self._full.clear()
            self._some.clear()
            self._sending = asyncio.create_task(self._flush(), name=f"{self._service} spans to the collector")
            await asyncio.shield(self._sending)
            if self._open:
                self._some.set()

    async def close(self) -> None:
        """What has ended is sent, once `run` is cancelled."""
        if self._sending is not None:
            await self._sending
        await self._flush()
        self.dropped += len(self._open)
        self._open.clear()
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.shutdown)

    async def _flush(self) -> None:
        while batch := self._take():
            if await asyncio.to_thread(self._send, batch, self._tracer.offset()):
                self.sent += len(batch)
            else:
                self.dropped += len(batch)

    def _take(self) -> list[Span]:
        """Up to a batch of those that have ended; the others stay in their order, and the oldest go where they are too many."""
        batch: list[Span] = []
        still_open: deque[Span] = deque()
        for queue in (self._open, self._waiting):
            while queue and len(batch) < BATCH:
                span = queue.popleft()
                (still_open if span.ended == OPEN else batch).append(span)
        self._open.extendleft(reversed(still_open))
        while len(self._open) > MOST_WAITING:
            self._open.popleft()
            self.dropped += 1
        return batch

    def _send(self, batch: Sequence[Span], offset: float) -> bool:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import SpanExportResult

        if self._exporter is None:
            self._exporter = OTLPSpanExporter(
                endpoint=self._endpoint, insecure=True, timeout=SECONDS_TO_ANSWER
            )
        resource = Resource({"service.name": self._service, "service.instance.id": self._instance})
        told = [readable(span, offset, resource) for span in batch]
        return self._exporter.export(told) is SpanExportResult.SUCCESS


def readable(span: Span, offset: float, resource: Any) -> "ReadableSpan":
    """A span as the SDK has it; `offset` makes of its moments seconds since 1970."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED)
    facts, about = span.told(), span.about
    attributes = {"object.resource": about.resource, "object.namespace": about.namespace, "object.name": about.name,
                  "object.uid": span.uid, "cause": span.cause, **dict(_flat(facts))}  # fmt: skip
    error = facts.get("error")
    return ReadableSpan(
        name=span.name,
        context=SpanContext(span.trace, span.id, is_remote=False, trace_flags=flags),
        parent=SpanContext(span.trace, span.parent, is_remote=False, trace_flags=flags) if span.parent else None,
        resource=resource,
        attributes={name: value for name, value in attributes.items() if value != ""},
        kind=SpanKind.SERVER if span.is_request else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, str(error)) if error else Status(),
        start_time=int((span.begun + offset) * 1e9),
        end_time=int((span.ended + offset) * 1e9),
        instrumentation_scope=InstrumentationScope(span.part),
    )  # fmt: skip


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str | bool | int | float]]:
    """Mappings as names with dots, lists as JSON."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, (str, bool, int, float)):
            yield f"{above}{name}", value
        elif value is not None:
            yield f"{above}{name}", json.dumps(value, default=str)
