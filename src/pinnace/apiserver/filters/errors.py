"""Turns every exception into the `Status` body that upstream would send, and adds the headers Warning and Audit-Id."""

import asyncio
import logging
from collections.abc import Iterable, Iterator

from pinnace.apimachinery import errors
from pinnace.apiserver.audit.identity import audit_id
from pinnace.apiserver.documents import document
from pinnace.apiserver.negotiation import EVERY, PLAIN, Accepted, negotiate
from pinnace.apiserver.request import Answer, Handler, Request, Response, UpgradeResponse
from pinnace.component.logs import fields

log = logging.getLogger(__name__)
MOST_WARNED, LONGEST_WARNING = 4096, 256  # characters


async def answer_errors(inner: Handler, request: Request) -> Answer:
    accept = request.headers.get("Accept", "")
    try:
        answer = await inner(request)
    except asyncio.CancelledError:
        raise
    except errors.StatusError as error:
        answer = error_response(error, accept)
    except Exception as error:
        answer = error_response(_unforeseen(error, request), accept)
    if request.in_process or isinstance(answer, UpgradeResponse):
        return answer
    if request.warnings:
        answer.warnings = tuple(map(_warning, shortened(dict.fromkeys(request.warnings))))
    audit = request.audit
    answer.headers["Audit-Id"] = audit_id(request.headers) if audit is None else audit.id
    return answer


def _unforeseen(error: Exception, request: Request) -> errors.StatusError:
    if _is_too_deep(error):
        return errors.BadRequest("the object is nested too deeply")
    context = fields(user=request.user.name, srcIP=request.remote, userAgent=request.user_agent)
    log.exception("%s %s failed", request.method, request.path, exc_info=error, extra=context)
    return errors.InternalError(f"Internal error occurred: {type(error).__name__}", code=500)


def _is_too_deep(error: Exception) -> bool:
    """More levels than can be walked, or than the encoder writes (254)."""
    return isinstance(error, RecursionError) or (
        isinstance(error, TypeError) and str(error) == "Recursion limit reached"
    )


def shortened(warnings: Iterable[str]) -> Iterator[str]:
    """Clients refuse long heads: when all are too much, each is cut and the last ones go, as upstream does it."""
    texts = list(warnings)
    if sum(map(len, texts)) <= MOST_WARNED:
        yield from texts
        return
    room = MOST_WARNED
    for text in texts:
        cut = text[:LONGEST_WARNING]
        room -= len(cut)
        if room < 0:
            return
        yield cut


def error_response(error: errors.StatusError, accept: str = "") -> Response:
    response = document(errors.status_of(error), _accepted(accept), error.code)
    if error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="kubernetes-master"'
    return response


def _accepted(accept: str) -> Accepted:
    """Whoever accepts nothing that we have is told so in JSON."""
    try:
        return negotiate(accept, offered=EVERY)
    except errors.NotAcceptable:
        return PLAIN


def _warning(text: str) -> str:
    """RFC 7234 section 5.5: code, agent, quoted text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    printable = "".join(char if char.isprintable() else " " for char in escaped)
    return f'299 - "{printable}"'
