"""Records requests that change something; in the chain only where tracing is on. Continues the trace that a client has begun."""

import orjson

from pinnace.apiserver.request import Answer, Handler, Request, Response
from pinnace.apiserver.tracing import UNRECORDED, WRITING, RequestSpan
from pinnace.component.tracing import CURRENT, parse_traceparent


async def trace_request(inner: Handler, request: Request) -> Answer:
    info, tracer = request.info, request.services.tracer
    if info.verb not in WRITING or not info.is_resource or tracer is None or info.resource in UNRECORDED:
        return await inner(request)
    header = request.headers.get("traceparent")
    above, begun = parse_traceparent(header) if header else None, tracer.now()
    if above is not None and above.is_sampled and tracer.exporter is not None:
        tracer.exporter.follow(above.trace)
    span = RequestSpan(
        tracer, info.verb, info.gvr, info.namespace, info.name, info.subresource, "", request.user_agent, above, begun,
    )  # fmt: skip
    span.source, span.is_examined = request.remote, not info.subresource and tracer.examines(begun)
    token = CURRENT.set(span)
    try:
        answer = await inner(request)
        if isinstance(answer, Response):
            if answer.status >= 400:
                span.failed(answer.status, _reason(answer))
            span.code = answer.status
        return answer
    finally:
        CURRENT.reset(token)
        span.user = request.user.name
        if request.queued_seconds:
            span.queued = request.queued_seconds
        span.end()


def _reason(answer: Response) -> str:
    """What the Status says, where it is JSON."""
    try:
        return str(orjson.loads(answer.body).get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""
