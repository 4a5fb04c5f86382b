"""Turns every exception into the `Status` body that upstream would send, and adds Warning headers."""

import asyncio
import logging

from pinnace.apimachinery import errors
from pinnace.apiserver.documents import document
from pinnace.apiserver.negotiation import EVERY, PLAIN, Accepted, negotiate
from pinnace.apiserver.request import Answer, Handler, Request, Response, UpgradeResponse

log = logging.getLogger(__name__)


async def answer_errors(inner: Handler, request: Request) -> Answer:
    accept = request.headers.get("Accept", "")
    try:
        answer = await inner(request)
    except asyncio.CancelledError:
        raise
    except errors.StatusError as error:
        answer = error_response(error, accept)
    except RecursionError:
        answer = error_response(errors.BadRequest("the object is nested too deeply"), accept)
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        answer = error_response(
            errors.InternalError(f"Internal error occurred: {type(error).__name__}", code=500), accept
        )
    if request.warnings and not isinstance(answer, UpgradeResponse):
        answer.headers["Warning"] = ", ".join(_warning(text) for text in dict.fromkeys(request.warnings))
    if request.audit is not None and not isinstance(answer, UpgradeResponse):
        answer.headers["Audit-Id"] = request.audit.id
    return answer


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
