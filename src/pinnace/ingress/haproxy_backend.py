"""One backend section of HAProxy's configuration: rules in the order in which a request meets them, then the servers."""

from collections.abc import Sequence

from pinnace.ingress.model import Backend
from pinnace.ingress.options import Cors, Options
from pinnace.ingress.words import formatted, quoted

_SERVER_PROTOCOLS = {
    "GRPC": "proto h2",
    "HTTPS": "ssl verify none",
    "GRPCS": "ssl verify none alpn h2",
}
_COOKIE_KEY = "pinnace"  # a cookie is a hash of this and the endpoint's address
_RATE_SECONDS = 10  # a client may save up requests for this long
_WORDS = 40  # of a list on one line, of which HAProxy takes 64 words


def head(backend: Backend, https_port: int) -> str:
    """Everything of the section but its servers."""
    options = backend.options
    lines = [
        *_guards(backend),
        *_redirects(options, https_port, with_tls=backend.has_certificate),
        *_cors(options.cors),
        'http-error status 503 content-type text/plain string "503 no endpoint of this service could be reached\\n"',
        *_changes(backend),
        *_timeouts(options),
        f"balance {options.balance or 'roundrobin'}",
        *(["hash-type consistent"] if options.balance.startswith(("source", "uri", "hdr")) else []),
        *_stickiness(options),
    ]
    return "\n  ".join([f"backend {backend.name}", *lines]) + "\n"


def server_options(backend: Backend) -> str:
    return _SERVER_PROTOCOLS.get(backend.options.protocol, "")


def _guards(backend: Backend) -> list[str]:
    options, lines = backend.options, []
    if options.closed:
        return ['http-request return status 503 content-type text/plain string "503 access is not set up\\n"']
    if options.denied:
        lines += [*_any_of("denied", "src", options.denied), "http-request deny deny_status 403 if denied"]
    if options.allowed:
        lines += [
            *_any_of("allowed", "src", options.allowed),
            "http-request deny deny_status 403 unless allowed",
        ]
    if options.requests_per_second:
        lines += [
            f"stick-table type ipv6 size 100k expire {2 * _RATE_SECONDS}s store http_req_rate({_RATE_SECONDS}s)",
            "http-request track-sc1 src",
            f"http-request deny deny_status 503 if {{ sc_http_req_rate(1) gt {_RATE_SECONDS * options.requests_per_second} }}",
        ]
    if options.body_limit:
        lines.append(
            f"http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt {options.body_limit} }}"
        )
    if backend.users:
        realm = quoted(options.auth_realm or "Authentication Required")
        lines.append(f"http-request auth realm {realm} unless {{ http_auth({users_name(backend)}) }}")
    return lines


def _any_of(name: str, what: str, values: Sequence[str]) -> list[str]:
    """A condition, on as many lines as its list needs."""
    return [
        f"acl {name} {what} {' '.join(values[start : start + _WORDS])}"
        for start in range(0, len(values), _WORDS)
    ]


def users_name(backend: Backend) -> str:
    return f"users_{backend.name}"


def _redirects(options: Options, https_port: int, *, with_tls: bool) -> list[str]:
    lines = []
    if https_port and (options.force_ssl_redirect or (options.ssl_redirect and with_tls)):
        port = "" if https_port == 443 else f":{https_port}"
        lines.append(
            f"http-request redirect location https://%[var(txn.host)]{port}%[pathq] code 308 unless {{ ssl_fc }}"
        )
    if options.redirect:
        lines.append(
            f"http-request redirect location {formatted(options.redirect)} code {options.redirect_code}"
        )
    if options.app_root:
        lines.append(f"http-request redirect location {formatted(options.app_root)} code 302 if {{ path / }}")
    return lines


def _cors(cors: Cors | None) -> list[str]:
    """The answer to a preflight request, and the headers of all others."""
    if cors is None:
        return []
    is_open = "*" in cors.origins
    known = [] if is_open else _any_of("known-origin", "var(txn.origin) -m str", [*map(quoted, cors.origins)])
    allowed = "" if is_open else " if known-origin"
    headers = {
        "Access-Control-Allow-Origin": "*"
        if "*" in cors.origins and not cors.credentials
        else "%[var(txn.origin)]",
        "Access-Control-Allow-Credentials": "true" if cors.credentials else "",
        "Access-Control-Expose-Headers": formatted(cors.exposed) if cors.exposed else "",
    }
    preflight = {
        **headers,
        "Access-Control-Allow-Methods": formatted(cors.methods),
        "Access-Control-Allow-Headers": formatted(cors.headers),
        "Access-Control-Max-Age": str(cors.max_age),
    }
    both = "{ method OPTIONS } { req.hdr(access-control-request-method) -m found }" + allowed.removeprefix(
        " if"
    )
    answers = " ".join(f"hdr {name} {value}" for name, value in preflight.items() if value)
    return [
        *known,
        "http-request set-var(txn.origin) req.hdr(origin)",
        f"http-request return status 204 {answers} if {both}",
        *(f"http-response set-header {name} {value}{allowed}" for name, value in headers.items() if value),
    ]


def _changes(backend: Backend) -> list[str]:
    options, lines = backend.options, []
    if options.forwarded_prefix:
        lines.append(f"http-request set-header X-Forwarded-Prefix {formatted(options.forwarded_prefix)}")
    if options.host:
        lines.append(f"http-request set-header Host {formatted(options.host)}")
    if options.rewrite_target:
        target = options.rewrite_target.replace("\\", "\\\\")
        for digit in "0123456789":
            target = target.replace(f"${digit}", f"\\{digit}")
        lines.append(f"http-request replace-path {quoted(f'^(?i:{backend.path}).*$')} {formatted(target)}")
    return lines


def _timeouts(options: Options) -> list[str]:
    wanted = {
        "connect": options.connect_timeout,
        "server": max(options.read_timeout, options.send_timeout),
        "tunnel": max(options.read_timeout, options.send_timeout),
    }
    return [f"timeout {name} {round(seconds * 1000)}ms" for name, seconds in wanted.items() if seconds]


def _stickiness(options: Options) -> list[str]:
    """A cookie made of the endpoint's address, so that it outlives changes of the list of servers."""
    if not options.sticky:
        return []
    cookie = options.cookie
    attributes = {
        "Max-Age": str(cookie.max_age) if cookie.max_age else "",
        "SameSite": cookie.same_site,
        "Path": cookie.path,
    }
    words = [f"cookie {cookie.name} insert indirect nocache httponly dynamic"]
    words += [f"domain {cookie.domain}"] if cookie.domain else []
    words += ["secure"] if cookie.secure else []
    words += [f"attr {quoted(f'{name}={value}')}" for name, value in attributes.items() if value]
    return [f"dynamic-cookie-key {_COOKIE_KEY}", " ".join(words)]
