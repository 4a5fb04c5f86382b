"""HAProxy's configuration for a routing table: pure. Names in it come from validated objects, and are quoted anyway."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pinnace.ingress import haproxy_backend, maps
from pinnace.ingress.certificates import LIST_FILE, listed
from pinnace.ingress.model import Backend, Routing
from pinnace.ingress.words import quoted

NOT_FOUND = "not-found"
MAPS, CERTIFICATES = "maps", "certs"
SPARE_PORT = 1  # of the address that stands for a server which is not in use


@dataclass(frozen=True, slots=True)
class Listen:
    """Ports that could be bound; 0 is not served. `directory` holds certificates and sockets."""

    directory: Path
    http_port: int
    https_port: int
    address: str = "0.0.0.0"
    drops_root: bool = False  # the processes that serve run as nobody
    address6: str = ""  # of IPv6, where that is served too

    def binds(self, port: int) -> Iterator[str]:
        yield f"{self.address}:{port}"
        if self.address6:
            yield f"ipv6@{self.address6}:{port} v6only"


@dataclass(frozen=True, slots=True)
class Section:
    """A backend: everything but its servers, and the options that each server has."""

    head: str
    server_options: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """What HAProxy runs. Two that differ only in the addresses in `servers` are changed into one another while it runs.

    `servers` holds for each backend the addresses of its servers by their number, "" for one not in use; `files` are maps and
    certificates by their path below the directory. Their digest stands in the text, so that the text alone says what runs.
    """

    front: str
    sections: Mapping[str, Section] = field(default_factory=dict)
    servers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def text(self) -> str:
        parts = [f"# files {self._digest()}", self.front]
        for name, section in self.sections.items():
            lines = [
                f"  server s{number} {address or f'127.0.0.1:{number + SPARE_PORT} disabled'} {section.server_options}".rstrip()
                for number, address in enumerate(self.servers[name])
            ]
            parts.append(section.head + "".join(f"{line}\n" for line in lines))
        return "\n".join(parts)

    def _digest(self) -> str:
        found = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            found.update(f"{name} {len(content)}\n".encode() + content)
        return found.hexdigest()

    def differs_in_addresses_only(self, other: "Configuration") -> bool:
        return (self.front, self.sections, self.files) == (other.front, other.sections, other.files) and all(
            len(addresses) == len(other.servers[name]) for name, addresses in self.servers.items()
        )


IDENTITY = """\
  uid 65534
  gid 65534
"""  # nobody's: the master stays root, who binds ports and reads keys; who serves requests needs neither

HEAD = """\
global
  log stderr format raw local0 warning
  stats socket {directory}/admin.sock mode 600 expose-fd listeners level admin
  hard-stop-after 15m
  ssl-default-bind-options ssl-min-ver TLSv1.2
{identity}
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
  retries 3
  retry-on conn-failure empty-response
"""

RULES = """\
  http-request set-var(txn.host) req.hdr(host),field(1,:),lower
  http-request set-var(txn.site) var(txn.host),map_str({maps}/hosts.map)
  http-request set-var(txn.site) var(txn.host),regsub(^[^.]+,*),map_str({maps}/hosts.map) if !{{ var(txn.site) -m found }}
  http-request set-var(txn.site) str(-) if !{{ var(txn.site) -m found }}
  http-request set-var(txn.path) path
  http-request set-var(txn.key) var(txn.site),concat(,txn.path)
  http-request set-var(txn.route) var(txn.key),map_str({maps}/exact.map)
  http-request set-var(txn.route) var(txn.key),map_reg({maps}/regex.map) if !{{ var(txn.route) -m found }}
  http-request set-var(txn.route) var(txn.key),concat(/),map_beg({maps}/prefix.map) if !{{ var(txn.route) -m found }}
  http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  use_backend %[var(txn.route)] if {{ var(txn.route) -m found }}
"""

MISSING = f"""\
backend {NOT_FOUND}
  http-request return status 404 content-type text/plain string "404 page not found\\n"
"""


def render(routing: Routing, listen: Listen, servers: Mapping[str, tuple[str, ...]]) -> Configuration:
    """`servers` are the addresses of each backend as `slots.assign` ordered them."""
    front = [
        HEAD.format(directory=listen.directory, identity=IDENTITY if listen.drops_root else ""),
        *_frontend(routing, listen),
        MISSING,
    ]
    front += [_users(backend) for backend in routing.backends if backend.users]
    sections = {
        backend.name: Section(
            haproxy_backend.head(backend, listen.https_port),
            haproxy_backend.server_options(backend),
        )
        for backend in routing.backends
    }
    return Configuration("\n".join(front), sections, servers, _files(routing, listen))


def _files(routing: Routing, listen: Listen) -> dict[str, bytes]:
    hosts = {one.file: one.hosts for one in routing.certificates}
    return {
        **{f"{MAPS}/{name}": text.encode() for name, text in maps.render(routing, NOT_FOUND).items()},
        **{f"{CERTIFICATES}/{one.file}": one.pem for one in routing.certificates},
        f"{CERTIFICATES}/{LIST_FILE}": listed(str(listen.directory / CERTIFICATES), hosts),
    }


def _frontend(routing: Routing, listen: Listen) -> list[str]:
    lines = ["frontend ingress"]
    if listen.http_port:
        lines += [f"  bind {where}" for where in listen.binds(listen.http_port)]
    if listen.https_port:
        certificates = f"{listen.directory}/{CERTIFICATES}/{LIST_FILE}"
        tls = f"ssl crt {listen.directory}/default.pem crt-list {certificates} alpn h2,http/1.1"
        lines += [f"  bind {where} {tls}" for where in listen.binds(listen.https_port)]
    if len(lines) == 1:
        return []
    default = f"  default_backend {quoted(routing.default_backend or NOT_FOUND)}\n"
    return ["\n".join(lines) + "\n" + RULES.format(maps=listen.directory / MAPS) + default]


def _users(backend: Backend) -> str:
    lines = [f"  user {quoted(name)} password {quoted(password)}" for name, password in backend.users]
    return "\n".join([f"userlist {haproxy_backend.users_name(backend)}", *lines]) + "\n"
