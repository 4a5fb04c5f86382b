"""HAProxy's configuration for a routing table: pure text. Names in it come from validated objects, and are quoted anyway."""

import re
from dataclasses import dataclass
from pathlib import Path

from pinnace.ingress.certificates import LIST_FILE
from pinnace.ingress.routes import Host, Routing
from pinnace.ingress.routes import Path as Route

NOT_FOUND = "not-found"


@dataclass(frozen=True, slots=True)
class Listen:
    """Ports that could be bound; 0 is not served. `directory` holds certificates and sockets."""

    directory: Path
    http_port: int
    https_port: int
    address: str = "0.0.0.0"


HEAD = """\
global
  log stderr format raw local0 warning
  stats socket {directory}/admin.sock mode 600 expose-fd listeners level admin
  hard-stop-after 60s
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-request 30s
  timeout queue 10s
  option forwardfor
  option redispatch 1
  retries 2
"""


def render(routing: Routing, listen: Listen) -> str:
    parts = [HEAD.format(directory=listen.directory), *_frontend(routing, listen)]
    parts.append(
        f'backend {NOT_FOUND}\n  http-request return status 404 content-type text/plain string "404 page not found\\n"\n'
    )
    parts += [_backend(backend.name, backend.addresses) for backend in routing.backends]
    return "\n".join(parts)


def _frontend(routing: Routing, listen: Listen) -> list[str]:
    lines = ["frontend ingress"]
    if listen.http_port:
        lines.append(f"  bind {listen.address}:{listen.http_port}")
    if listen.https_port:
        certificates = f"{listen.directory}/certs/{LIST_FILE}"
        lines.append(
            f"  bind {listen.address}:{listen.https_port} ssl crt {listen.directory}/default.pem crt-list {certificates} alpn h2,http/1.1"
        )
    if len(lines) == 1:
        return []
    lines += [
        "  http-request set-var(txn.host) req.hdr(host),field(1,:),lower",
        "  http-request set-header X-Forwarded-Proto https if { ssl_fc }",
        "  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
        "  http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    ]
    for host in routing.hosts:
        lines += _host_rules(host, routing.default_backend)
    lines.append(f"  default_backend {quoted(routing.default_backend or NOT_FOUND)}")
    return ["\n".join(lines) + "\n"]


def _host_rules(host: Host, default_backend: str) -> list[str]:
    """The paths of a host in order; a host that is known answers 404 (or the default backend) for other paths."""
    condition = _host_condition(host.name)
    lines = [
        f"  use_backend {quoted(path.backend or NOT_FOUND)} if {condition}{_path_condition(path)}"
        for path in host.paths
    ]
    if host.name:
        lines.append(f"  use_backend {quoted(default_backend or NOT_FOUND)} if {condition.strip()}")
    return lines


def _host_condition(name: str) -> str:
    if not name:
        return ""
    if name.startswith("*."):
        return "{ var(txn.host) -m reg ^[^.]+" + re.escape(name[1:]).replace("\\-", "-") + "$ } "
    return f"{{ var(txn.host) -m str {quoted(name)} }} "


def _path_condition(path: Route) -> str:
    if path.exact:
        return f"{{ path -m str {quoted(path.path)} }}"
    if path.path == "/":
        return "{ path -m beg / }"
    return f"{{ path,concat(/) -m beg {quoted(path.path + '/')} }}"


def _backend(name: str, addresses: tuple[str, ...]) -> str:
    if not addresses:
        text = "503 no endpoints available for this service\\n"
        return f'backend {name}\n  http-request return status 503 content-type text/plain string "{text}"\n'
    servers = "".join(
        f"  server s{number} {address} maxconn 1000\n" for number, address in enumerate(addresses)
    )
    return f"backend {name}\n  balance roundrobin\n{servers}"


def quoted(text: str) -> str:
    """One word of HAProxy's configuration language, whatever is in it."""
    escaped = "".join(
        char if re.match(r"[A-Za-z0-9._/:~*+-]", char) else f"\\x{ord(char):02x}" if ord(char) < 128 else char
        for char in text
    )
    return escaped or '""'
