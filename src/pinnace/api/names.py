"""Formats of names, keys and values: each check returns upstream's sentences, none when the text is well-formed.

Upstream: https://github.com/kubernetes/apimachinery/blob/master/pkg/util/validation/validation.go
"""

import ipaddress
import re

from pinnace.apimachinery.short_cache import short_cache

LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN_FORMAT = LABEL_FORMAT + r"(\." + LABEL_FORMAT + ")*"
LABEL_1035_FORMAT = "[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE_FORMAT = f"({QUALIFIED_FORMAT})?"
WILDCARD_FORMAT = r"\*\." + SUBDOMAIN_FORMAT
CONFIG_KEY_FORMAT = r"[-._a-zA-Z0-9]+"
C_IDENTIFIER_FORMAT = "[A-Za-z_][A-Za-z0-9_]*"
PERCENT_FORMAT = "[0-9]+%"
HTTP_PATH_FORMAT = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
HEADER_FORMAT = "[-A-Za-z0-9]+"

_label = re.compile(LABEL_FORMAT).fullmatch
_subdomain = re.compile(SUBDOMAIN_FORMAT).fullmatch
_label_1035 = re.compile(LABEL_1035_FORMAT).fullmatch
_qualified = re.compile(QUALIFIED_FORMAT).fullmatch
_wildcard = re.compile(WILDCARD_FORMAT).fullmatch
_config_key = re.compile(CONFIG_KEY_FORMAT).fullmatch
_c_identifier = re.compile(C_IDENTIFIER_FORMAT).fullmatch
_percent = re.compile(PERCENT_FORMAT).fullmatch
_http_path = re.compile(HTTP_PATH_FORMAT).fullmatch
_header = re.compile(HEADER_FORMAT).fullmatch
_port_charset = re.compile("[-a-z0-9]+").fullmatch
_port_letter = re.compile("[a-z]").search

PROTOCOLS = ("SCTP", "TCP", "UDP")  # of ports
NON_EMPTY = "must be non-empty"
NOT_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PORT_RANGE = "must be between 1 and 65535, inclusive"


def max_length(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def regex_error(message: str, pattern: str, *examples: str) -> str:
    """Upstream's sentence, its odd spacing included."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


_LABEL_ERROR = regex_error(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    LABEL_FORMAT, "my-name", "123-abc",
)  # fmt: skip
_SUBDOMAIN_ERROR = regex_error(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    SUBDOMAIN_FORMAT, "example.com",
)  # fmt: skip
_LABEL_1035_ERROR = regex_error(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    LABEL_1035_FORMAT, "my-name", "abc-123",
)  # fmt: skip
_QUALIFIED_ERROR = regex_error(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    QUALIFIED_FORMAT, "MyName", "my.name", "123-abc",
)  # fmt: skip
_LABEL_VALUE_ERROR = regex_error(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    LABEL_VALUE_FORMAT, "MyValue", "my_value", "12345",
)  # fmt: skip
_CONFIG_KEY_ERROR = regex_error(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    CONFIG_KEY_FORMAT, "key.name", "KEY_NAME", "key-name",
)  # fmt: skip
_WILDCARD_ERROR = regex_error(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    WILDCARD_FORMAT, "*.example.com",
)  # fmt: skip
_HEADER_ERROR = regex_error(
    "a valid HTTP header must consist of alphanumeric characters or '-'", HEADER_FORMAT, "X-Header-Name"
)


@short_cache(4096)
def dns_label(value: str) -> tuple[str, ...]:
    long = (max_length(63),) if len(value) > 63 else ()
    return long if _label(value) else (*long, _LABEL_ERROR)


@short_cache(4096)
def dns_subdomain(value: str) -> tuple[str, ...]:
    long = (max_length(253),) if len(value) > 253 else ()
    return long if _subdomain(value) else (*long, _SUBDOMAIN_ERROR)


@short_cache(1024)
def dns_1035_label(value: str) -> tuple[str, ...]:
    long = (max_length(63),) if len(value) > 63 else ()
    return long if _label_1035(value) else (*long, _LABEL_1035_ERROR)


def wildcard_subdomain(value: str) -> tuple[str, ...]:
    long = (max_length(253),) if len(value) > 253 else ()
    return long if _wildcard(value) else (*long, _WILDCARD_ERROR)


@short_cache(4096)
def qualified_name(value: str) -> tuple[str, ...]:
    """`name` or `prefix/name`: keys of labels, annotations, taints; names of finalizers and conditions."""
    prefix, slash, name = value.partition("/")
    if not slash:
        prefix, name = "", value
    found: list[str] = []
    if "/" in name:
        return (
            f"a qualified name {_QUALIFIED_ERROR} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        )
    if slash and not prefix:
        found.append(f"prefix part {NON_EMPTY}")
    elif slash:
        found += [f"prefix part {message}" for message in dns_subdomain(prefix)]
    if not name:
        found.append(f"name part {NON_EMPTY}")
    elif len(name) > 63:
        found.append(f"name part {max_length(63)}")
    if not _qualified(name):
        found.append(f"name part {_QUALIFIED_ERROR}")
    return tuple(found)


@short_cache(4096)
def label_value(value: str) -> tuple[str, ...]:
    long = (max_length(63),) if len(value) > 63 else ()
    return long if not value or _qualified(value) else (*long, _LABEL_VALUE_ERROR)


def config_key(value: str) -> tuple[str, ...]:
    """A key of a ConfigMap or Secret."""
    found = [max_length(253)] if len(value) > 253 else []
    if not _config_key(value):
        found.append(_CONFIG_KEY_ERROR)
    if value in (".", ".."):
        found.append(f"must not be '{value}'")
    elif value.startswith(".."):
        found.append("must not start with '..'")
    return tuple(found)


def env_name(value: str) -> tuple[str, ...]:
    """Upstream's relaxed rule: any printable ASCII except `=`."""
    if not value:
        return (f"environment variable name {NON_EMPTY}",)
    if all(" " <= char <= "~" and char != "=" for char in value):
        return ()
    return (
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
    )


def c_identifier(value: str) -> tuple[str, ...]:
    if _c_identifier(value):
        return ()
    return (
        regex_error(
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
            C_IDENTIFIER_FORMAT, "my_name", "MY_NAME", "MyName",
        ),
    )  # fmt: skip


def http_header_name(value: str) -> tuple[str, ...]:
    return () if _header(value) else (_HEADER_ERROR,)


def http_path(value: str) -> tuple[str, ...]:
    return () if _http_path(value) else (regex_error("Invalid path", HTTP_PATH_FORMAT),)


def percent(value: str) -> tuple[str, ...]:
    if _percent(value):
        return ()
    return (
        regex_error(
            "a valid percent string must be a numeric string followed by an ending '%'", PERCENT_FORMAT, "1%", "93%"
        ),
    )  # fmt: skip


def port_number(value: int) -> tuple[str, ...]:
    return () if 1 <= value <= 65535 else (PORT_RANGE,)


@short_cache(1024)
def port_name(value: str) -> tuple[str, ...]:
    """An IANA service name: at most 15 characters, at least one letter."""
    found: list[str] = []
    if len(value) > 15:
        found.append("must be no more than 15 bytes")
    if not _port_charset(value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _port_letter(value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return tuple(found)


def ip_address(value: str) -> tuple[str, ...]:
    """Zones (`fe80::1%eth0`) are refused, as upstream does: what follows the sign could be any text."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return (NOT_IP,)
    return (NOT_IP,) if "%" in value else ()


def is_ipv4(value: str) -> bool:
    """For those who put addresses into programs (nftables, HAProxy): nothing but four numbers passes."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


def cidr(value: str) -> tuple[str, ...]:
    try:
        address, slash, length = value.partition("/")
        if slash and length.isdecimal() and not ip_address(address):
            ipaddress.ip_network(value, strict=False)
            return ()
    except ValueError:
        pass
    return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)


def without_trailing_dash(prefix: str) -> str:
    """What a generateName prefix is judged as: its last dash may be followed by random characters."""
    return prefix[:-2] + "a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def path_segment(value: str) -> tuple[str, ...]:
    """Names that only have to fit into a URL path: roles and their bindings."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{char}'" for char in ("/", "%") if char in value)
