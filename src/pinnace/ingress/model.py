"""What the ingress reads (`Sources`) and the routing table that it makes of it (`Routing`)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pinnace.ingress.options import PLAIN, Options

Object = dict[str, Any]
PathKind = Literal["exact", "regex", "prefix"]


@dataclass(frozen=True, slots=True)
class Backend:
    """`name` is unique and safe in a configuration file; no addresses means 503."""

    name: str
    addresses: tuple[str, ...] = ()  # ip:port
    options: Options = PLAIN
    path: str = ""  # the regular expression of the path, where `options.rewrite_target` needs it
    has_certificate: bool = False  # of the Ingress that it is for
    users: tuple[
        tuple[str, str], ...
    ] = ()  # (name, crypt hash) who may pass, where `options.auth_secret` is set


@dataclass(frozen=True, slots=True)
class Path:
    path: str
    kind: PathKind
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
    tls_secret: Callable[[str, str], bytes]  # PEM of chain and key; raises SecretProblem
    users: Callable[
        [str, str], tuple[tuple[str, str], ...]
    ]  # of a secret for basic authentication; raises SecretProblem


class SecretProblem(Exception):
    """What is wrong with a secret, for an event."""


@dataclass
class Draft:
    hosts: dict[str, dict[tuple[str, PathKind], str]] = field(default_factory=dict)
    backends: dict[str, Backend] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    problems: list[tuple[tuple[str, str], str]] = field(default_factory=list)
    default_backend: str = ""
