"""What answers that are no good mean, in the words of upstream's client: codes without a Status, pages of proxies, half an answer. Pure."""

import json
from typing import Any

from pinnace.cli.errors import CliError, ServerError

Object = dict[str, Any]
# whose errors upstream takes from the code alone, whatever Status is in the body
_BY_CODE = frozenset(("/api", "/apis", "/version"))
_MOST_TEXT = 2048
_MEANINGS = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("Conflict", "the server reported a conflict"),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: (
        "Timeout",
        "the server was unable to return a response in the time allotted, but may still be processing the request",
    ),
}


def error_of(code: int, payload: bytes, kind: str, method: str, path: str) -> ServerError:
    """Of an answer with a code of failure; `kind` is its content type, `path` what was asked for."""
    if path not in _BY_CODE and not path.startswith("/openapi/"):
        try:
            status = json.loads(payload)
        except (ValueError, RecursionError):
            status = None
        if isinstance(status, dict) and status.get("kind") == "Status":
            return ServerError(status)
    text = (
        payload[:_MOST_TEXT].decode(errors="replace").strip()
        if not kind or kind.startswith("text/")
        else "unknown"
    )
    reason, message = _meaning(code, text, method)
    if resource := resource_of(path):
        message = f"{message} ({method.lower()} {resource})"
    return ServerError({"code": code, "reason": reason, "message": message})


def _meaning(code: int, text: str, method: str) -> tuple[str, str]:
    if code == 409 and method == "POST":
        return "AlreadyExists", _MEANINGS[409][1]
    if code in _MEANINGS:
        return _MEANINGS[code]
    if code in (403, 406, 415):
        return {403: "Forbidden", 406: "NotAcceptable", 415: "UnsupportedMediaType"}[code], text
    if code >= 500:
        return (
            "InternalError",
            f"an error on the server ({json.dumps(text)}) has prevented the request from succeeding",
        )
    return "", f"the server responded with the status code {code} but did not return more information"


def resource_of(path: str) -> str:
    """`pods one` or `deployments.apps`, of a path to objects; "" of others."""
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        group, rest = "", parts[2:]
    elif parts[0] == "apis":
        group, rest = (parts[1] if len(parts) > 1 else ""), parts[3:]
    else:
        return ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    if not rest:
        return ""
    resource = f"{rest[0]}.{group}" if group else rest[0]
    return f"{resource} {rest[1]}" if len(rest) > 1 else resource


def check_object(found: Any, payload: bytes, kind: str, path: str) -> None:
    """Raises for an answer of success that holds no object where one was asked for."""
    if not resource_of(path):
        return
    if kind.startswith("text/"):
        raise CliError(f"serializer for {kind} doesn't exist")
    if isinstance(found, dict) and found.get("kind") == "Status" and found.get("status") == "Failure":
        raise ServerError(found)
    if not isinstance(found, dict) or not found.get("kind"):
        raise CliError(f"Object 'Kind' is missing in '{payload.decode(errors='replace')}'")


def not_json(payload: bytes, kind: str, path: str) -> str:
    """In the words of Go's decoder, as far as the beginning tells."""
    if resource_of(path) and kind.startswith("text/"):
        return f"serializer for {kind} doesn't exist"
    text = payload.decode(errors="replace").lstrip()
    if not text:
        return "unexpected end of JSON input"
    if text[0] in '{["':
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
                return "unexpected end of JSON input"
        except (ValueError, RecursionError):
            pass
        return "the server's answer is not JSON"
    shown = text[0] if text[0].isprintable() else ascii(text[0])[1:-1]
    return f"invalid character '{shown}' looking for beginning of value"


_KINDS: dict[type, str] = {list: "array", str: "string", int: "number", float: "number", bool: "bool"}


def wrong_kind(found: Any, path: str) -> str:
    into = {"/version": "version.Info", "/api": "v1.APIVersions", "/apis": "v1.APIGroupList"}.get(
        path, "unstructured.detector"
    )
    return f"json: cannot unmarshal {_KINDS[type(found)]} into Go value of type {into}"
