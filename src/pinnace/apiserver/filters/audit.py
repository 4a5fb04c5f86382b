"""Records requests as the audit policy wants it; in the chain only where auditing is on.

Two stations: `audit` behind authentication, and `audit_unauthenticated` before it, for requests that it refuses.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from pinnace.apimachinery import errors
from pinnace.apiserver.audit.record import Record
from pinnace.apiserver.filters.deadline import is_long_running
from pinnace.apiserver.request import Answer, Handler, Request, Response, StreamingResponse, UpgradeResponse

if TYPE_CHECKING:
    from aiohttp import web


async def audit_unauthenticated(inner: Handler, request: Request) -> Answer:
    try:
        return await inner(request)
    except errors.Unauthorized as error:
        auditor = request.services.audit
        if request.audit is None and auditor is not None and (record := auditor.begin(request)) is not None:
            record.failed(error)
            record.stage("ResponseStarted" if is_long_running(request) else "ResponseComplete")
        raise


async def audit(inner: Handler, request: Request) -> Answer:
    assert request.services.audit is not None
    record = request.services.audit.begin(request)
    if record is None:
        return await inner(request)
    request.audit = record
    record.stage("RequestReceived")
    try:
        answer = await inner(request)
    except errors.StatusError as error:
        record.failed(error)
        record.stage("ResponseComplete")
        raise
    except asyncio.CancelledError:
        record.failed(errors.Timeout("request did not complete within the allotted timeout"))
        record.stage("ResponseComplete")
        raise
    except Exception:
        record.failed(errors.InternalError("APIServer panic'd", code=500))
        record.stage("Panic")
        raise
    return _finished(answer, record)


def _finished(answer: Answer, record: Record) -> Answer:
    """A stream is complete when it ends."""
    if isinstance(answer, UpgradeResponse):
        return UpgradeResponse(_serving(answer.serve, record))
    if isinstance(answer, Response):
        record.answered(answer)
        record.stage("ResponseComplete")
        return answer
    record.began(answer.status)
    record.stage("ResponseStarted")
    return StreamingResponse(
        _streaming(answer.chunks, record), answer.status, answer.content_type, answer.headers,
        warnings=answer.warnings,
    )  # fmt: skip


async def _streaming(chunks: AsyncGenerator[bytes, None], record: Record) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        record.stage("ResponseComplete")
        await chunks.aclose()


def _serving(
    serve: Callable[["web.BaseRequest"], Awaitable["web.StreamResponse"]], record: Record
) -> Callable[["web.BaseRequest"], Awaitable["web.StreamResponse"]]:
    async def wrapped(http: "web.BaseRequest") -> "web.StreamResponse":
        record.began(101)
        record.stage("ResponseStarted")
        try:
            return await serve(http)
        finally:
            record.stage("ResponseComplete")

    return wrapped
