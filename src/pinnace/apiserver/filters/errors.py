"""Turns every exception into the `Status` body that upstream would send, and adds the headers Warning and Audit-Id."""

import asyncio
import logging
from collections.abc import Iterable

from pinnace.apimachinery import errors
from pinnace.apiserver.audit.identity import audit_id
from pinnace.apiserver.documents import document
from pinnace.apiserver.negotiation import EVERY, PLAIN, Accepted, negotiate
from pinnace.apiserver.request import Answer, Handler, Request, Response, UpgradeResponse

log = logging.getLogger(__name__)

MOST_CHARACTERS, CUT_CHARACTERS = 4096, 256


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
    if request.in_process or isinstance(answer, UpgradeResponse):
        return answer
    if request.warnings:
        answer.warnings = warning_values(request.warnings)
    audit = request.audit
    answer.headers["Audit-Id"] = audit_id(request.headers) if audit is None else audit.id
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


def warning_values(texts: Iterable[str]) -> tuple[str, ...]:
    """One value for each text, each text once. All are cut to 256 characters when together they pass 4,096, and what is still
    too much is left out."""
    distinct = list(dict.fromkeys(text for text in texts if text))
    if sum(map(len, distinct)) > MOST_CHARACTERS:
        cut = [text[:CUT_CHARACTERS] for text in distinct]
        distinct, total = [], 0
        for text in cut:
            if total >= MOST_CHARACTERS:
                break
            distinct.append(text)
            total += len(text)
    return tuple(map(_warning, distinct))


def _warning(text: str) -> str:
    """RFC 7234 section 5.5: code, agent, quoted text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    printable = "".join(char if char.isprintable() else " " for char in escaped)
    return f'299 - "{printable}"'
