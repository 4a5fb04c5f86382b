"""What becomes of a pod on its node, as one span from the moment the kubelet sees it until it is ready, and one for its end; steps are below them."""

from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.component.tracing import CURRENT, OPEN, About, Span, Tracer
from pinnace.kubelet.cri.runtime import ContainerState, ContainerStatus
from pinnace.kubelet.pod_record import PodRecord
from pinnace.kubelet.pod_runtime import PodRuntime


def seen(tracer: Tracer, pod: Object) -> Span:
    """The kubelet learns of a pod."""
    about = About("pods", *meta.key(pod))
    span = tracer.begin("kubelet", "run pod", about, cause=meta.resource_version(pod))
    span.uid, span.facts = meta.uid(pod), {"node": pod["spec"].get("nodeName", "")}
    tracer.record(span)
    return span


def told_ready(span: Span | None) -> None:
    """It is ready for the first time, or over."""
    if span is not None and span.ended == OPEN:
        span.end()


def begin_end(record: PodRecord) -> Span | None:
    """The kubelet begins to stop a pod: because of its deletion, or as a part of what became of it here."""
    running = record.span
    if running is None:
        return None
    is_deleted = record.is_gone_from_api or pods.is_terminating(record.pod)
    why = (
        "its object is gone" if record.is_gone_from_api
        else f"it is deleted, with a grace period of {record.grace_seconds()} s" if is_deleted
        else ": ".join(record.failed) if record.failed is not None
        else "its containers have ended"
    )  # fmt: skip
    cause = meta.resource_version(record.pod) if is_deleted else ""
    if is_deleted:  # what that is a part of is the deletion, wherever that was recorded
        CURRENT.set(None)
    span = running.tracer.begin("kubelet", "end pod", running.about, cause=cause)
    span.uid, span.facts = running.uid, {"why": why}
    running.tracer.record(span)
    return span


def again(runtime: PodRuntime, name: str) -> dict[str, Any]:
    """Why a container is started that has run before; nothing for its first run."""
    last = runtime.newest(name)
    return (
        {}
        if last is None or last.state != ContainerState.EXITED
        else {"attempt": last.attempt + 1, **how_it_ended(last)}
    )


def how_it_ended(status: ContainerStatus) -> dict[str, Any]:
    """How a run ended, in words for a trace."""
    return {"why": f"its last run ended: {status.reason or 'Error'}, exit code {status.exit_code}"}
