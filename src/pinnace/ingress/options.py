"""What an Ingress's annotations ask of the proxy: one row of a table each, the same keys under two prefixes.

`ingress.pinnace.dev/KEY` is our own name; `nginx.ingress.kubernetes.io/KEY` is what most manifests in the world carry and
means the same. docs/ingress.md is the user's page; a key under either prefix that has no row is reported, never ignored in silence.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

LONGEST = 240 * 3600  # seconds; HAProxy takes no times of more than 24 days
PREFIXES = ("ingress.pinnace.dev/", "nginx.ingress.kubernetes.io/")
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h)?")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SIZE = re.compile(r"([0-9]{1,9})([kKmMgG])?")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.:-]+")
_CAPTURE = re.compile(r"\$[0-9]")
_PROTOCOLS = ("HTTP", "AUTO_HTTP", "HTTPS", "GRPC", "GRPCS")
_BALANCES = {"round_robin": "roundrobin", "least_conn": "leastconn", "ewma": "leastconn"}


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie that binds a client to one endpoint."""

    name: str = "INGRESSCOOKIE"
    max_age: int = 0  # seconds; 0: as long as the browser runs
    path: str = ""
    domain: str = ""
    same_site: str = ""
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Cors:
    origins: tuple[str, ...] = ("*",)
    methods: str = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
    headers: str = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
    exposed: str = ""
    max_age: int = 1728000
    credentials: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds, 0 for the proxy's own; sizes in bytes, 0 for none."""

    rewrite_target: str = ""
    use_regex: bool = False
    ssl_redirect: bool = False  # for hosts that have a certificate
    force_ssl_redirect: bool = False
    redirect: str = ""
    redirect_code: int = 0
    app_root: str = ""
    sticky: bool = False
    cookie: Cookie = field(default_factory=Cookie)
    connect_timeout: float = 0
    read_timeout: float = 0
    send_timeout: float = 0
    body_limit: int = 0
    protocol: str = "HTTP"
    host: str = ""
    forwarded_prefix: str = ""
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    balance: str = ""
    requests_per_second: int = 0
    cors: Cors | None = None
    auth_secret: str = ""
    auth_realm: str = ""
    closed: bool = False  # a rule that guards the service could not be understood: nobody is let in

    @property
    def by_regex(self) -> bool:
        return self.use_regex or bool(_CAPTURE.search(self.rewrite_target))


PLAIN = Options()


def parse(annotations: Mapping[str, str]) -> tuple[Options, list[str]]:
    """The options and, in words, what of the annotations has no effect. Our own prefix wins over the other."""
    on = {key for key, value in _SWITCHES.items() if _value(annotations, key) == value}
    options = replace(PLAIN, sticky="affinity" in on, cors=Cors() if "enable-cors" in on else None)
    problems, seen = [], set[str]()
    for prefix in PREFIXES:
        for name, value in sorted(annotations.items()):
            key = name.removeprefix(prefix)
            if key == name or key in seen:
                continue
            seen.add(key)
            try:
                if key in _SWITCHES:
                    _choice(_SWITCHES[key], "", "false")(value.strip())
                elif (switch := _switch_of(key)) is None or switch in on:
                    options = _ROWS[key](options, value.strip())
            except KeyError:
                problems.append(f"annotation {name} is not supported and has no effect")
            except ValueError as error:
                guards = key in _GUARDS
                options = replace(options, closed=options.closed or guards)
                effect = "cannot be used, nobody is let in" if guards else "has no effect"
                problems.append(f"annotation {name} {effect}: {error}")
    return options, problems


Row = Callable[[Options, str], Options]
_SWITCHES = {"affinity": "cookie", "enable-cors": "true", "auth-type": "basic"}
_GUARDS = (
    "whitelist-source-range",
    "allowlist-source-range",
    "denylist-source-range",
    "auth-type",
    "auth-secret",
)
_SWITCHED = {
    "session-cookie-": "affinity",
    "cors-": "enable-cors",
    "auth-": "auth-type",
}  # rows that act only with it


def _switch_of(key: str) -> str | None:
    return (
        next((switch for start, switch in _SWITCHED.items() if key.startswith(start)), None)
        if key in _ROWS
        else None
    )


def _value(annotations: Mapping[str, str], key: str) -> str | None:
    return next((annotations[p + key].strip() for p in PREFIXES if p + key in annotations), None)


def _row(parse_value: Callable[[str], Any], name: str) -> Row:
    return lambda options, value: replace(options, **{name: parse_value(value)})


def _redirect(code: int) -> Row:
    def apply(options: Options, value: str) -> Options:
        return replace(options, redirect=_url(value), redirect_code=options.redirect_code or code)

    return apply


def _cookie(parse_value: Callable[[str], Any], name: str) -> Row:
    return lambda options, value: replace(
        options, cookie=replace(options.cookie, **{name: parse_value(value)})
    )


def _cors(parse_value: Callable[[str], Any], name: str) -> Row:
    return lambda options, value: replace(
        options, cors=replace(options.cors or Cors(), **{name: parse_value(value)})
    )


def _boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f'{value!r} is neither "true" nor "false"')
    return value == "true"


def _seconds(value: str) -> float:
    if (found := _DURATION.fullmatch(value)) is None:
        raise ValueError(f"{value!r} is not a time such as 30 or 30s")
    seconds = int(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}[found[2]]
    if seconds > LONGEST:
        raise ValueError(f"{value!r} is longer than {LONGEST // 3600}h")
    return seconds


def _whole(value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{value!r} is not a whole number of at most nine digits")
    return int(value)


def _code(value: str) -> int:
    if not value.isdecimal() or int(value) not in (301, 302, 303, 307, 308):
        raise ValueError(f"{value!r} is not one of 301, 302, 303, 307, 308")
    return int(value)


def _bytes(value: str) -> int:
    if (found := _SIZE.fullmatch(value)) is None:
        raise ValueError(f"{value!r} is not a size such as 8m")
    return int(found[1]) << {"k": 10, "m": 20, "g": 30, "": 0}[(found[2] or "").lower()]


def _cidrs(value: str) -> tuple[str, ...]:
    if "%" in value:  # a zone can hold any text, which would become part of the configuration
        raise ValueError(f"{value!r} holds a zone")
    return tuple(
        str(ipaddress.ip_network(one.strip(), strict=False)) for one in value.split(",") if one.strip()
    )


def _url(value: str) -> str:
    if not re.fullmatch(r"(https?:/)?/[^\s\x00-\x1f\x7f]*", value):
        raise ValueError(f"{value!r} is neither an http(s) URL nor a path")
    return value


def _path(value: str) -> str:
    if not value.startswith("/") or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError(f"{value!r} does not start with / or holds spaces")
    return value


def _cookie_path(value: str) -> str:
    if ";" in value:
        raise ValueError(f"{value!r} holds a semicolon")
    return _path(value)


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} holds other characters than {pattern.pattern}")
        return value

    return check


def _choice(*values: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in values:
            raise ValueError(f"{value!r} is not one of {', '.join(values)}")
        return value

    return check


def _line(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("it holds control characters")
    return value


def _origins(value: str) -> tuple[str, ...]:
    found = tuple(one.strip() for one in value.split(",") if one.strip())
    for one in found:
        _matching(_ORIGIN)(one)
    return found


def _balance(value: str) -> str:
    if value not in _BALANCES:
        raise ValueError(f"{value!r} is not one of {', '.join(_BALANCES)}")
    return _BALANCES[value]


def _hash_by(value: str) -> str:
    """HAProxy's `balance` for the nginx variables that choose an endpoint by hash."""
    known = {
        "$remote_addr": "source",
        "$binary_remote_addr": "source",
        "$request_uri": "uri whole",
        "$uri": "uri",
    }
    if value in known:
        return known[value]
    if header := re.fullmatch(r"\$http_([a-z0-9_]+)", value):
        return f"hdr({header[1].replace('_', '-')})"
    raise ValueError(f"{value!r} is not one of {', '.join(known)}, $http_NAME")


_ROWS: dict[str, Row] = {
    "rewrite-target": _row(_path, "rewrite_target"),
    "use-regex": _row(_boolean, "use_regex"),
    "ssl-redirect": _row(_boolean, "ssl_redirect"),
    "force-ssl-redirect": _row(_boolean, "force_ssl_redirect"),
    "permanent-redirect": _redirect(301),
    "permanent-redirect-code": _row(_code, "redirect_code"),
    "temporal-redirect": _redirect(302),
    "temporal-redirect-code": _row(_code, "redirect_code"),
    "app-root": _row(_path, "app_root"),
    "session-cookie-name": _cookie(_matching(_TOKEN), "name"),
    "session-cookie-max-age": _cookie(_whole, "max_age"),
    "session-cookie-expires": _cookie(_whole, "max_age"),
    "session-cookie-path": _cookie(_cookie_path, "path"),
    "session-cookie-domain": _cookie(_matching(_TOKEN), "domain"),
    "session-cookie-samesite": _cookie(_choice("None", "Lax", "Strict"), "same_site"),
    "session-cookie-secure": _cookie(_boolean, "secure"),
    "proxy-connect-timeout": _row(_seconds, "connect_timeout"),
    "proxy-read-timeout": _row(_seconds, "read_timeout"),
    "proxy-send-timeout": _row(_seconds, "send_timeout"),
    "proxy-body-size": _row(_bytes, "body_limit"),
    "backend-protocol": _row(_choice(*_PROTOCOLS), "protocol"),
    "upstream-vhost": _row(_matching(re.compile(r"[A-Za-z0-9.:_-]+")), "host"),
    "x-forwarded-prefix": _row(_path, "forwarded_prefix"),
    "whitelist-source-range": _row(_cidrs, "allowed"),
    "allowlist-source-range": _row(_cidrs, "allowed"),
    "denylist-source-range": _row(_cidrs, "denied"),
    "load-balance": _row(_balance, "balance"),
    "upstream-hash-by": _row(_hash_by, "balance"),
    "limit-rps": _row(_whole, "requests_per_second"),
    "cors-allow-origin": _cors(_origins, "origins"),
    "cors-allow-methods": _cors(_line, "methods"),
    "cors-allow-headers": _cors(_line, "headers"),
    "cors-expose-headers": _cors(_line, "exposed"),
    "cors-max-age": _cors(_whole, "max_age"),
    "cors-allow-credentials": _cors(_boolean, "credentials"),
    "auth-secret": _row(_line, "auth_secret"),
    "auth-realm": _row(_line, "auth_realm"),
}  # fmt: skip
