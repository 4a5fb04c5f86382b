"""A line per request, as upstream's httplog; in the chain only where `-v` asks for it."""

import logging

from pinnace.apiserver.request import Answer, Handler, Request, Response
from pinnace.component.logs import HTTPLOG, fields

log = logging.getLogger(HTTPLOG)


async def log_request(inner: Handler, request: Request) -> Answer:
    clock = request.services.clock
    begun = clock.monotonic()

    def ended(code: int) -> None:
        milliseconds = (clock.monotonic() - begun) * 1000
        audit_id = request.audit.id if request.audit is not None else request.headers.get("Audit-ID", "")
        told = fields(
            verb=request.info.verb.upper(), URI=request.raw_target or request.path, latency=f"{milliseconds:.3f}ms",
            userAgent=request.user_agent, audit_ID=audit_id, srcIP=request.remote, resp=code,
        )  # fmt: skip
        log.info("HTTP", extra=told)

    try:
        answer = await inner(request)
    except BaseException:  # the client has gone before there was an answer
        ended(0)
        raise
    if isinstance(answer, Response):
        ended(answer.status)
    else:
        answer.on_end = (*answer.on_end, ended)
    return answer
