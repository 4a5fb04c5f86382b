"""String formats that upstream's validator knows; any other is not checked.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/validation/formats.go
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from urllib.parse import urlsplit

_EMAIL = re.compile(r"[^@\s<>()\[\]\\,;:\"]+@[^@\s]+\Z")
_HOSTNAME = re.compile(
    r"([a-zA-Z0-9_]|[a-zA-Z0-9_][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])(\.([a-zA-Z0-9_]|[a-zA-Z0-9_][a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_]))*\.?\Z"
)
_DURATION = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*\Z|[-+]?0\Z"
)
_WORDED = re.compile(
    r"\s*(\d+)\s*(ns|nano|us|µs|micro|ms|milli|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hour|hours|d|day|days|w|week|weeks)\s*\Z",
    re.IGNORECASE,
)
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}([Tt]|\s)\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})\Z")
_COLOR = re.compile(
    r"rgb\(\s*(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*,\s*(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*,\s*(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*\)\Z"
)


def _uuid(versions: str) -> Callable[[str], bool]:
    pattern = re.compile(
        rf"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{versions}[0-9a-f]{{3}}-?[0-9a-f]{{4}}-?[0-9a-f]{{12}}\Z",
        re.IGNORECASE,
    )
    return lambda text: bool(pattern.match(text))


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: bool(compiled.match(text))


def _parsed(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, TypeError):
            return False
        return True

    return check


def _date_time(text: str) -> bool:
    if not _RFC3339.match(text):
        return False
    whole = re.sub(r"\.\d+", "", text.upper().replace("Z", "+00:00"))
    return _parsed(datetime.fromisoformat)(whole)


def _byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(text)


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme or text.startswith("/"))


def _cidr(text: str) -> bool:
    return "/" in text and _parsed(lambda one: ipaddress.ip_network(one, strict=False))(text)


def _luhn(text: str) -> bool:
    digits = [int(one) for one in re.sub(r"[ -]", "", text) if one.isdigit()]
    if len(digits) < 12:
        return False
    doubled = [
        digit * 2 - 9 * (digit > 4) if index % 2 else digit for index, digit in enumerate(reversed(digits))
    ]
    return sum(doubled) % 10 == 0


_DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z"

_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}\Z"),
    "uri": _uri,
    "email": lambda text: bool(_EMAIL.match(text)),
    "hostname": lambda text: len(text) <= 255 and bool(_HOSTNAME.match(text)),
    "ipv4": _parsed(ipaddress.IPv4Address),
    "ipv6": lambda text: ":" in text and _parsed(ipaddress.IPv6Address)(text),
    "cidr": _cidr,
    "mac": _matches(r"([0-9a-fA-F]{2}([:-])([0-9a-fA-F]{2}\2){4}([0-9a-fA-F]{2}\2[0-9a-fA-F]{2}\2)?[0-9a-fA-F]{2}|([0-9a-fA-F]{4}\.){2,3}[0-9a-fA-F]{4})\Z"),
    "uuid": _uuid("[0-9a-f]"),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
    "isbn": lambda text: len(re.sub(r"[ -]", "", text)) in (10, 13),
    "isbn10": lambda text: len(re.sub(r"[ -]", "", text)) == 10,
    "isbn13": lambda text: len(re.sub(r"[ -]", "", text)) == 13,
    "creditcard": _luhn,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}\Z"),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z"),
    "rgbcolor": lambda text: bool(_COLOR.match(text)),
    "byte": _byte,
    "password": lambda _: True,
    "date": lambda text: bool(re.match(r"\d{4}-\d{2}-\d{2}\Z", text)) and _parsed(date.fromisoformat)(text),
    "duration": lambda text: bool(_DURATION.match(text) or _WORDED.match(text)),
    "datetime": _date_time,
    "k8s-short-name": _matches(_DNS_LABEL),
    "k8s-long-name": lambda text: len(text) <= 253 and bool(re.match(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z", text)),
}  # fmt: skip
_OTHERS = frozenset(("int32", "int64", "float", "double", "int-or-string"))


def _known(name: str) -> Callable[[str], bool] | None:
    return _CHECKS.get(name if name.startswith("k8s-") else name.replace("-", ""))


def is_format(name: str, text: str) -> bool:
    """True for a format that is not known."""
    check = _known(name)
    return check is None or check(text)


def is_known(name: str) -> bool:
    return _known(name) is not None or name in _OTHERS
