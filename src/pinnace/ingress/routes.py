"""From Ingresses to a routing table: pure. Which Ingress is ours, which host and path leads to which endpoints."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pinnace.api import meta
from pinnace.api.names import is_ipv4

Object = dict[str, Any]
CONTROLLER = "pinnace.dev/ingress"
CLASS_NAME = "pinnace"
LEGACY_CLASS = "kubernetes.io/ingress.class"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Backend:
    """`name` is unique and safe in a configuration file; no addresses means 503."""

    name: str
    addresses: tuple[str, ...] = ()  # ip:port


@dataclass(frozen=True, slots=True)
class Path:
    path: str
    exact: bool
    backend: str


@dataclass(frozen=True, slots=True)
class Host:
    """`name` is "" for rules without a host; `*.example.com` matches exactly one more label."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """`pem` is the chain followed by the key; `hosts` are the names it is shown for, () for those in the certificate."""

    file: str
    pem: bytes
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    hosts: tuple[Host, ...] = ()  # in the order in which they are tried
    backends: tuple[Backend, ...] = ()
    default_backend: str = ""
    certificates: tuple[Certificate, ...] = ()  # the oldest Ingress's first
    served: tuple[tuple[str, str], ...] = ()  # (namespace, name) of the Ingresses that are ours
    problems: tuple[tuple[tuple[str, str], str], ...] = ()  # (Ingress, what is wrong), for events


@dataclass(frozen=True, slots=True)
class Sources:
    """Read access to what Ingresses refer to."""

    service: Callable[[str, str], Object | None]  # (namespace, name)
    slices: Callable[[str, str], Iterable[Object]]
    tls_secret: Callable[[str, str], bytes]  # PEM of chain and key; raises TlsProblem


class TlsProblem(Exception):
    """What is wrong with a TLS secret, for an event."""


@dataclass
class _Draft:
    hosts: dict[str, dict[tuple[str, bool], str]] = field(default_factory=dict)
    backends: dict[str, Backend] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    problems: list[tuple[tuple[str, str], str]] = field(default_factory=list)
    default_backend: str = ""


def our_classes(classes: Iterable[Object]) -> tuple[frozenset[str], bool]:
    """Names of the IngressClasses that name our controller, and whether one of them is the default."""
    ours = [c for c in classes if (c.get("spec") or {}).get("controller") == CONTROLLER]
    default = any(meta.annotations(c).get(DEFAULT_CLASS) == "true" for c in ours)
    return frozenset(meta.name(c) for c in ours), default


def is_ours(ingress: Object, classes: frozenset[str], *, default: bool) -> bool:
    wanted = (ingress.get("spec") or {}).get("ingressClassName") or meta.annotations(ingress).get(
        LEGACY_CLASS
    )
    return wanted in classes if wanted else default


def build(ingresses: Iterable[Object], classes: Iterable[Object], sources: Sources) -> Routing:
    """The oldest Ingress wins where two claim the same host and path."""
    names, default = our_classes(classes)
    mine = [i for i in ingresses if is_ours(i, names, default=default) and not meta.is_terminating(i)]
    mine.sort(key=lambda i: (i["metadata"].get("creationTimestamp", ""), meta.key(i)))
    draft = _Draft()
    for ingress in mine:
        _add_ingress(draft, ingress, sources)
    return Routing(
        hosts=tuple(_host(name, draft.hosts[name]) for name in sorted(draft.hosts, key=_host_order)),
        backends=tuple(draft.backends[name] for name in sorted(draft.backends)),
        default_backend=draft.default_backend,
        certificates=tuple(draft.certificates.values()),
        served=tuple(meta.key(ingress) for ingress in mine),
        problems=tuple(draft.problems),
    )


def _host_order(name: str) -> tuple[int, int, str]:
    """Exact names first, then wildcards from the longest to the shortest, then rules for any host."""
    rank = 2 if not name else 1 if name.startswith("*.") else 0
    return rank, -len(name), name


def _host(name: str, paths: dict[tuple[str, bool], str]) -> Host:
    """Longest path first; of two equal ones the exact one."""
    ordered = sorted(paths.items(), key=lambda entry: (-len(entry[0][0]), not entry[0][1], entry[0][0]))
    return Host(name, tuple(Path(path, exact, backend) for (path, exact), backend in ordered))


def _add_ingress(draft: _Draft, ingress: Object, sources: Sources) -> None:
    spec, key = ingress.get("spec") or {}, meta.key(ingress)
    if spec.get("defaultBackend"):
        draft.default_backend = draft.default_backend or _backend(draft, key, spec["defaultBackend"], sources)
    for rule in spec.get("rules") or ():
        host = (rule.get("host") or "").lower()
        paths = draft.hosts.setdefault(host, {})
        for entry in (rule.get("http") or {}).get("paths") or ():
            path = (entry.get("path") or "/", entry.get("pathType") == "Exact")
            if path[1] is False and len(path[0]) > 1:
                path = (path[0].rstrip("/"), False)
            backend = _backend(draft, key, entry["backend"], sources)
            paths.setdefault(path, backend)
    for entry in spec.get("tls") or ():
        if secret := entry.get("secretName"):
            _add_certificate(draft, key, secret, tuple(entry.get("hosts") or ()), sources)


def _add_certificate(
    draft: _Draft, key: tuple[str, str], secret: str, hosts: tuple[str, ...], sources: Sources
) -> None:
    try:
        pem = sources.tls_secret(key[0], secret)
    except TlsProblem as problem:
        draft.problems.append((key, f'TLS secret "{key[0]}/{secret}" {problem}'))
        return
    file = f"{key[0]}_{secret}.pem"
    if known := draft.certificates.get(file):
        both = hosts and known.hosts  # one use without names means every name of the certificate
        hosts = tuple(dict.fromkeys((*known.hosts, *hosts))) if both else ()
    draft.certificates[file] = Certificate(file, pem, hosts)


def _backend(draft: _Draft, key: tuple[str, str], backend: Object, sources: Sources) -> str:
    """Add the backend of an Ingress's service reference; returns its name."""
    wanted = backend.get("service")
    if not wanted:
        draft.problems.append((key, "resource backends are not supported: name a Service"))
        return ""
    port = wanted.get("port") or {}
    name = f"{key[0]}_{wanted['name']}_{port.get('name') or port.get('number')}"
    if name not in draft.backends:
        service = sources.service(key[0], wanted["name"])
        if service is None:
            draft.problems.append((key, f'service "{key[0]}/{wanted["name"]}" not found'))
        addresses = _addresses(service, port, sources.slices(key[0], wanted["name"])) if service else ()
        draft.backends[name] = Backend(name, addresses)
    return name


def _addresses(service: Object, wanted: Object, slices: Iterable[Object]) -> tuple[str, ...]:
    """Ready endpoints behind one port of a Service, found by the port's name."""
    ports = (service.get("spec") or {}).get("ports") or ()
    fitting = [
        p
        for p in ports
        if (p.get("name") == wanted["name"] if wanted.get("name") else p["port"] == wanted.get("number"))
    ]
    if not fitting:
        return ()
    name = fitting[0].get("name", "")
    found = {
        f"{endpoint['addresses'][0]}:{port['port']}"
        for piece in slices
        if piece.get("addressType") == "IPv4"
        for port in piece.get("ports") or ()
        if port.get("name", "") == name and port.get("port")
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False and is_ipv4(endpoint["addresses"][0])
    }
    return tuple(sorted(found))
