"""Named formats: `format.dns1123Label().validate(name)` lists what is wrong with a text, or nothing."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.library.urls import is_url
from pinnace.apimachinery.cel.types import Type, opaque
from pinnace.apimachinery.cel.values import NONE, Extension, Optional, parse_timestamp

Check = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class NamedFormat(Extension):
    cel_type: ClassVar[Type] = opaque("kubernetes.NamedFormat")
    name: str
    check: Check


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_UUID = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.ASCII | re.IGNORECASE
)


def _matcher(pattern: str, longest: int, words: str) -> Check:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> list[str]:
        problems = [] if len(text) <= longest else [f"must be no more than {longest} characters"]
        return (
            problems
            if compiled.fullmatch(text)
            else [*problems, f"{words}, regex used for validation is '{pattern}')"]
        )

    return check


_DNS_LABEL = _matcher(
    _LABEL, 63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc'",
)  # fmt: skip
_DNS_SUBDOMAIN = _matcher(
    _SUBDOMAIN, 253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com'",
)  # fmt: skip
_DNS_1035 = _matcher(
    _LABEL1035, 63,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'",
)  # fmt: skip
_LABEL_VALUE = _matcher(
    _VALUE, 63,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345'",
)  # fmt: skip
_NAME_PART = _matcher(
    _NAME, 63,
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc'",
)  # fmt: skip


def _prefix(check: Check) -> Check:
    """A prefix of a name may end with a dash."""
    return lambda text: check(f"{text[:-1]}a" if len(text) > 1 and text.endswith("-") else text)


def _qualified_name(text: str) -> list[str]:
    parts = text.split("/")
    if len(parts) > 2:
        return [
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_NAME}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems: list[str] = []
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {problem}" for problem in _DNS_SUBDOMAIN(parts[0])]
    if not parts[-1]:
        problems.append("name part must be non-empty")
    return [*problems, *_NAME_PART(parts[-1])]


def _base64(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return []


def _date(text: str) -> list[str]:
    try:
        date.fromisoformat(text)
    except ValueError:
        return ["invalid date"]
    return [] if len(text) == 10 else ["invalid date"]


def _datetime(text: str) -> list[str]:
    try:
        parse_timestamp(text)
    except EvaluationError:
        return ["invalid datetime"]
    return []


_CHECKS: dict[str, Check] = {
    "dns1123Label": _DNS_LABEL,
    "dns1123Subdomain": _DNS_SUBDOMAIN,
    "dns1035Label": _DNS_1035,
    "qualifiedName": _qualified_name,
    "dns1123LabelPrefix": _prefix(_DNS_LABEL),
    "dns1123SubdomainPrefix": _prefix(_DNS_SUBDOMAIN),
    "dns1035LabelPrefix": _prefix(_DNS_1035),
    "labelValue": _LABEL_VALUE,
    "uri": lambda text: [] if is_url(text) else [f"parse {text!r}: invalid URI for request"],
    "uuid": lambda text: [] if _UUID.fullmatch(text) else ["does not match the UUID format"],
    "byte": _base64,
    "date": _date,
    "datetime": _datetime,
}
_FORMATS = {name: NamedFormat(name, check) for name, check in _CHECKS.items()}


def named(name: str) -> Optional:
    return Optional(_FORMATS[name], True) if name in _FORMATS else NONE


def validate(form: NamedFormat, text: str) -> Optional:
    problems = form.check(text)
    return Optional(problems, True) if problems else NONE


def _constant(form: NamedFormat) -> Callable[[], NamedFormat]:
    return lambda: form


ROWS: tuple[Row, ...] = (
    *(
        (f"format.{name}", f"format_{name}", "() -> kubernetes.NamedFormat", _constant(form))
        for name, form in _FORMATS.items()
    ),
    ("format.named", "format_named", "(string) -> optional(kubernetes.NamedFormat)", named),
    ("validate", "format_validate", "kubernetes.NamedFormat.(string) -> optional(list(string))", validate),
)
