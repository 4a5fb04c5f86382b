"""Attempts to schedule as spans: the decision itself is kept, and put into words when somebody reads it."""

from typing import Any

from pinnace.component.tracing import SPAN_BYTES, About, Span, Tracer
from pinnace.scheduler.decisions import Record
from pinnace.scheduler.queued_pod import QueuedPod

DECISION_BYTES = 1500  # of a decision with its best nodes


class AttemptSpan(Span):
    record: Record
    waited: float  # seconds since the queue first saw the pod

    @classmethod
    def of(cls, tracer: Tracer, record: Record, entry: QueuedPod, begun: float) -> "AttemptSpan":
        pod = entry.pod
        cause = pod.object["metadata"].get("resourceVersion", "")
        above = tracer.writer_of(cause)
        if above is not None:
            above.has_children = True
        span = cls(tracer, record.profile, "schedule", About("pods", pod.namespace, pod.name), above)
        span.uid, span.record, span.waited, span.cause = pod.uid, record, begun - entry.queued_at, cause
        span.begun, span.ended = begun, begun + record.seconds
        tracer.record(span)
        return span

    def size(self) -> int:
        return SPAN_BYTES + DECISION_BYTES

    def told(self) -> dict[str, Any]:
        from pinnace.scheduler.debugging import why

        decision = self.record.decision
        facts = {"attempt": self.record.attempt, "node": decision.node, "message": decision.message}
        return {**facts, "waitedMilliseconds": round(self.waited * 1000, 3), **why(self.record)}
