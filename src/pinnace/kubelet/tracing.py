"""What becomes of a pod on its node, as one span from the moment the kubelet sees it until it is ready; steps are below it."""

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.component.tracing import OPEN, About, Span, Tracer


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
