"""URLs: absolute ones and absolute paths, taken apart."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.types import Type, opaque
from pinnace.apimachinery.cel.values import Extension

_UNESCAPED = "!$&'()*+,;=:@/[]"


@dataclass(frozen=True, slots=True)
class Url(Extension):
    cel_type: ClassVar[Type] = opaque("kubernetes.URL")
    parts: SplitResult


def parse(text: str) -> Url:
    bad = EvaluationError(
        f"URL parse error during conversion from string: parse {text!r}: invalid URI for request"
    )
    if not text or any(ord(char) <= 32 or ord(char) == 127 for char in text):
        raise bad
    try:
        parts = urlsplit(text, allow_fragments=False)
        _ = parts.port
    except ValueError:
        raise bad from None
    if not parts.scheme and not text.startswith("/"):
        raise bad
    if parts.scheme and not (parts.netloc or parts.path.startswith("/")):
        raise bad
    host = parts.netloc.rpartition("@")[2]
    if host.count(":") > 1 and not host.startswith("["):
        raise bad
    return Url(parts)


def is_url(text: str) -> bool:
    try:
        parse(text)
    except EvaluationError:
        return False
    return True


def host(url: Url) -> str:
    return unquote(url.parts.netloc.rpartition("@")[2])


def hostname(url: Url) -> str:
    whole = host(url)
    if whole.startswith("["):
        return whole[1:].partition("]")[0]
    return whole.partition(":")[0]


def port(url: Url) -> str:
    rest = host(url).rpartition("]")[2]
    return rest.partition(":")[2]


def query(url: Url) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(url.parts.query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


ROWS: tuple[Row, ...] = (
    ("url", "string_to_url", "(string) -> kubernetes.URL", parse),
    ("isURL", "is_url_string", "(string) -> bool", is_url),
    ("getScheme", "url_get_scheme", "kubernetes.URL.() -> string", lambda url: url.parts.scheme),
    ("getHost", "url_get_host", "kubernetes.URL.() -> string", host),
    ("getHostname", "url_get_hostname", "kubernetes.URL.() -> string", hostname),
    ("getPort", "url_get_port", "kubernetes.URL.() -> string", port),
    (
        "getEscapedPath",
        "url_get_escaped_path",
        "kubernetes.URL.() -> string",
        lambda url: (
            quote(unquote(url.parts.path), safe=_UNESCAPED) if "%" not in url.parts.path else url.parts.path
        ),
    ),
    ("getQuery", "url_get_query", "kubernetes.URL.() -> map(string, list(string))", query),
)
