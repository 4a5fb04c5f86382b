"""Watching from the command line: events of one list or one object, begun again when the server ends the stream."""

from collections.abc import Iterator
from typing import Any

from pinnace.cli import clock, json_text
from pinnace.cli.errors import ServerError
from pinnace.cli.transport import Transport

Object = dict[str, Any]


class _RequestOver(Exception):
    """--request-timeout ended the request."""


def events(http: Transport, path: str, query: dict[str, str], version: str, *, accept: str = "application/json",
           timeout: float | None = None) -> Iterator[tuple[str, Object]]:  # fmt: skip
    """(type, object) after a resource version, until `timeout` seconds are over (TimeoutError) or for ever."""
    end = None if timeout is None else clock.monotonic() + timeout
    while True:
        stream = http.stream(path, {**query, "watch": "true", "resourceVersion": version}, accept=accept)
        try:
            for line in _lines(stream, end):
                event = json_text.loads(line)
                if event["type"] == "ERROR":
                    raise ServerError(event["object"])
                version = _version(event["object"]) or version
                if event["type"] != "BOOKMARK":
                    yield event["type"], event["object"]
        except _RequestOver:
            return
        finally:
            stream.close()


def _lines(stream: Any, end: float | None) -> Iterator[bytes]:
    lines = stream.lines()
    while True:
        if end is not None:
            left = end - clock.monotonic()
            if left <= 0:
                raise TimeoutError
            stream.set_timeout(left)
        try:
            line = next(lines, None)
        except TimeoutError:
            if end is not None and clock.monotonic() >= end:
                raise
            raise _RequestOver from None
        if line is None:
            return
        if line.strip():
            yield line


def _version(obj: Object) -> str:
    """Of an object, or of the last row of a table."""
    if obj.get("kind") == "Table":
        rows = obj.get("rows") or [{}]
        obj = rows[-1].get("object") or {}
    version: str = (obj.get("metadata") or {}).get("resourceVersion", "")
    return version
