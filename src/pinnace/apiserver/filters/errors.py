"""Turns every exception into the `Status` body that upstream would send, and adds Warning headers."""

import asyncio
import logging

import orjson

from pinnace.apimachinery import errors
from pinnace.apiserver.request import Answer, Handler, Request, Response, UpgradeResponse

log = logging.getLogger(__name__)


async def answer_errors(inner: Handler, request: Request) -> Answer:
    try:
        answer = await inner(request)
    except asyncio.CancelledError:
        raise
    except errors.StatusError as error:
        answer = error_response(error)
    except RecursionError:
        answer = error_response(errors.BadRequest("the object is nested too deeply"))
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        answer = error_response(
            errors.InternalError(f"Internal error occurred: {type(error).__name__}", code=500)
        )
    if request.warnings and not isinstance(answer, UpgradeResponse):
        answer.headers["Warning"] = ", ".join(_warning(text) for text in dict.fromkeys(request.warnings))
    return answer


def error_response(error: errors.StatusError) -> Response:
    response = Response(orjson.dumps(errors.status_of(error)), error.code)
    if error.retry_after_seconds:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="kubernetes-master"'
    return response


def _warning(text: str) -> str:
    """RFC 7234 section 5.5: code, agent, quoted text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    printable = "".join(char if char.isprintable() else " " for char in escaped)
    return f'299 - "{printable}"'
