"""What a server's answer, or none, means in kubectl's words: Status objects, bare codes, broken connections, answers that are no JSON."""

import socket
from typing import Any

from pinnace.cli import json_text
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.net import http_client

# What upstream says of a code whose answer does not say more: reason, words.
BARE = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    406: ("NotAcceptable", "the server was unable to respond with a content type that the client supports"),
    409: ("Conflict", "the server reported a conflict"),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted, but may still be processing the request"),
}  # fmt: skip
KINDS: dict[type, str] = {list: "array", str: "string", int: "number", float: "number", bool: "bool"}


def obj(payload: bytes) -> Any:
    """An object, {} for null."""
    try:
        found = json_text.loads(payload)
    except (ValueError, RecursionError) as error:
        raise CliError(_not_json(payload)) from error
    if not isinstance(found, dict | None):
        raise CliError(f"json: cannot unmarshal {KINDS[type(found)]} into Go value of type runtime.TypeMeta")
    return found or {}


def _not_json(payload: bytes) -> str:
    """In the words of Go's decoder, as far as the beginning tells."""
    text = payload[:200].decode(errors="replace").lstrip()
    if not text:
        return "unexpected end of JSON input"
    if text[0] in '{["':
        return "the server's answer is not JSON"
    return f"invalid character '{text[0] if text[0].isprintable() else ascii(text[0])[1:-1]}' looking for beginning of value"


def error_of(code: int, payload: bytes, *, bare: bool = False) -> ServerError:
    """Of an answer that says no; `bare` takes the code's own words, as upstream does in discovery."""
    try:
        status = None if bare else json_text.loads(payload)
    except (ValueError, RecursionError):
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return ServerError(status)
    text = "" if bare else payload.decode(errors="replace").strip()
    if code in BARE:
        reason, message = BARE[code]
        return ServerError({"code": code, "reason": reason, "message": message})
    if code == 403:
        return ServerError({"code": code, "reason": "Forbidden", "message": text or "unknown"})
    if code == 415:
        return ServerError({"code": code, "reason": "UnsupportedMediaType", "message": text or "unknown"})
    if code >= 500:
        quoted = json_text.dumps(text or "unknown").decode()
        message = f"an error on the server ({quoted}) has prevented the request from succeeding"
        return ServerError({"code": code, "reason": "InternalError", "message": message})
    return ServerError(
        {
            "code": code,
            "message": text
            or f"the server responded with the status code {code} but did not return more information",
        }
    )


def unreachable(error: Exception, host: str, port: int) -> CliError:
    """No answer at all."""
    before = "Unable to connect to the server: "
    if isinstance(error, CliError):
        return error
    if isinstance(error, ConnectionRefusedError):
        return PlainError(
            f"The connection to the server {host}:{port} was refused - did you specify the right host or port?"
        )
    if (reason := getattr(error, "verify_message", None)) is not None:  # ssl.SSLCertVerificationError
        return PlainError(f"{before}tls: failed to verify certificate: x509: {_certificate(error, reason)}")
    if isinstance(error, socket.gaierror):
        return PlainError(f"{before}dial tcp: lookup {host}: no such host")
    if isinstance(error, TimeoutError):
        return PlainError(
            f"{before}context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        )
    if isinstance(error, http_client.ProtocolError):
        return PlainError(f"{before}{error}")
    if isinstance(error, OSError) and error.strerror and not hasattr(error, "library"):
        return PlainError(f"{before}{error.strerror.lower()}")
    return PlainError(f"{before}{error}")


def _certificate(error: Exception, reason: str) -> str:
    code = getattr(error, "verify_code", 0)
    if code in (18, 19, 20, 21):  # what OpenSSL tells apart, and Go does not: no chain to one that is trusted
        return "certificate signed by unknown authority"
    if code in (9, 10):
        return f"certificate has expired or is not yet valid: {reason}"
    return reason


def broken_off(error: Exception) -> CliError:
    """The head of the answer came, its body did not."""
    reason = str(error)
    if isinstance(error, TimeoutError):
        reason = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
    return CliError(f"unexpected error when reading response body. Please retry. Original error: {reason}")
