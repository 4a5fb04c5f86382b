"""Heads of plain HTTP/1.1 requests and answers, as bytes. Pure.

Deliberately narrow: whatever is not plain (another version or method, a fragment, unusual bytes, transfer codings, upgrades)
reads as None, and the connection is left to aiohttp, which knows all of HTTP.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from multidict import CIMultiDict, CIMultiDictProxy

_LINE = re.compile(rb'(GET|POST|PUT|PATCH|DELETE) (/[!"$-~]*+) HTTP/1\.1')
_BLOCK = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~]*+\r\n)*+")
_NOT_PLAIN = ("Transfer-Encoding", "Upgrade", "Expect", "Sec-WebSocket-Key", "HTTP2-Settings")
NOT_CACHED = "no-cache, private"  # unless an answer says otherwise, as upstream
_LONGEST_LENGTH = 12  # digits
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Headers:
    """The header fields of one request; `length` is that of the body, `closes` that the connection ends with the answer."""

    fields: CIMultiDictProxy[str]
    length: int
    takes_gzip: bool
    closes: bool = False


def read_line(line: bytes) -> tuple[str, str] | None:
    """Method and target of a request line without its line break."""
    found = _LINE.fullmatch(line)
    return (found[1].decode(), found[2].decode()) if found else None


def read_headers(block: bytes) -> Headers | None:
    """The lines between the request line and the empty line, each with its CRLF."""
    if not _BLOCK.fullmatch(block):
        return None
    lines = [line.partition(":") for line in block.decode().split("\r\n")[:-1]]
    fields = CIMultiDict((name, value.strip(" \t")) for name, _, value in lines)
    if any(name in fields for name in _NOT_PLAIN) or len(fields.getall("Host", ())) != 1:
        return None
    connection = fields.get("Connection", "keep-alive").lower()
    if connection not in ("keep-alive", "close"):
        return None
    lengths = fields.getall("Content-Length", ["0"])
    if len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > _LONGEST_LENGTH:
        return None
    takes_gzip = "gzip" in fields.get("Accept-Encoding", "")
    return Headers(CIMultiDictProxy(fields), int(lengths[0]), takes_gzip, connection == "close")


def answer_head(
    status: int, content_type: str, headers: Mapping[str, str], date: str, length: int | None,
    warnings: Sequence[str] = (),
) -> bytes:  # fmt: skip
    """With the empty line; `length` None means chunks. Raises ValueError for a line break inside a header."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    lines = len(headers) + len(warnings)
    if warnings:
        more += "".join([f"Warning: {value}\r\n" for value in warnings])
    if "Cache-Control" not in headers:
        more, lines = f"{more}Cache-Control: {NOT_CACHED}\r\n", lines + 1
    if more.count("\n") != lines or more.count("\r") != lines:
        raise ValueError("a header of the answer holds a line break")
    reason = _REASONS.get(status, "")
    return (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n{size}\r\nDate: {date}\r\n{more}\r\n"
    ).encode()
