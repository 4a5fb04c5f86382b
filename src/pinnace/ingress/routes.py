"""From Ingresses to a routing table: pure. Which Ingress is ours, which host and path leads to which endpoints."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pinnace.api import meta
from pinnace.ingress import options as wishes
from pinnace.ingress.backends import Maker
from pinnace.ingress.model import (
    Certificate,
    Draft,
    Host,
    Object,
    Path,
    PathKind,
    Routing,
    SecretProblem,
    Sources,
)
from pinnace.ingress.options import Options

CONTROLLER = "pinnace.dev/ingress"
CLASS_NAME = "pinnace"
LEGACY_CLASS = "kubernetes.io/ingress.class"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
SERVICE_LABEL = "kubernetes.io/service-name"
LEFT_OUT = "haproxy refuses this Ingress, so it is left out: "

_REGEX_OF_PYTHON = re.compile(
    r"\\[uUNZAbB]|\(\?[aLux]|\(\?[imsx-]*x|[\s\x00]"
)  # what `re` reads in another way than PCRE, and what a map cannot hold


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


def build(
    ingresses: Iterable[Object],
    classes: Iterable[Object],
    sources: Sources,
    *,
    left_out: Mapping[tuple[str, str], str] | None = None,
) -> Routing:
    """The oldest Ingress wins where two claim the same host and path. `left_out`: those that HAProxy refuses, and why."""
    left_out = left_out or {}
    names, default = our_classes(classes)
    mine = [i for i in ingresses if is_ours(i, names, default=default) and not meta.is_terminating(i)]
    mine.sort(key=lambda i: (i["metadata"].get("creationTimestamp", ""), meta.key(i)))
    draft = Draft()
    for ingress in mine:
        if (key := meta.key(ingress)) in left_out:
            draft.problems.append((key, f"{LEFT_OUT}{left_out[key]}"))
        else:
            _add_ingress(draft, ingress, sources)
    return Routing(
        hosts=tuple(_host(name, draft.hosts[name]) for name in sorted(draft.hosts, key=_host_order)),
        backends=tuple(draft.backends[name] for name in sorted(draft.backends)),
        default_backend=draft.default_backend,
        certificates=tuple(draft.certificates.values()),
        served=tuple(key for ingress in mine if (key := meta.key(ingress)) not in left_out),
        problems=tuple(draft.problems),
    )


def _host_order(name: str) -> tuple[int, int, str]:
    """Exact names first, then wildcards from the longest to the shortest, then rules for any host."""
    rank = 2 if not name else 1 if name.startswith("*.") else 0
    return rank, -len(name), name


_KINDS: tuple[PathKind, ...] = ("exact", "regex", "prefix")


def _host(name: str, paths: dict[tuple[str, PathKind], str]) -> Host:
    """Exact paths, then regular expressions, then prefixes, the longest first among each."""
    ordered = sorted(
        paths.items(), key=lambda entry: (_KINDS.index(entry[0][1]), -len(entry[0][0]), entry[0][0])
    )
    return Host(name, tuple(Path(path, kind, backend) for (path, kind), backend in ordered))


def _add_ingress(draft: Draft, ingress: Object, sources: Sources) -> None:
    spec, key = ingress.get("spec") or {}, meta.key(ingress)
    options, problems = wishes.parse(meta.annotations(ingress))
    draft.problems += [(key, problem) for problem in problems]
    users = _users(draft, key, options, sources)
    if options.auth_secret and not users:
        options = replace(options, closed=True)
    made = Maker(draft, key, options, users, sources, bool(spec.get("tls")))
    if spec.get("defaultBackend"):
        draft.default_backend = draft.default_backend or made.backend(spec["defaultBackend"], "")
    for rule in spec.get("rules") or ():
        host = (rule.get("host") or "").lower()
        paths = draft.hosts.setdefault(host, {})
        for entry in (rule.get("http") or {}).get("paths") or ():
            path, kind = _path(entry, options)
            if kind == "regex" and (why := regex_problem(path)):
                draft.problems.append(
                    (key, f"path {path!r} is not a regular expression that can be used: {why}")
                )
                continue
            if (path, kind) not in paths:
                paths[path, kind] = made.backend(
                    entry["backend"], path if kind == "regex" else re.escape(path)
                )
    for entry in spec.get("tls") or ():
        if secret := entry.get("secretName"):
            _add_certificate(draft, key, secret, tuple(entry.get("hosts") or ()), sources)


def _path(entry: Object, options: Options) -> tuple[str, PathKind]:
    path = entry.get("path") or "/"
    if entry.get("pathType") == "Exact":
        return path, "exact"
    if options.by_regex:
        return path, "regex"
    return (path.rstrip("/") or "/", "prefix")


def regex_problem(text: str) -> str:
    """Why HAProxy (PCRE) could not use it, "" when it can."""
    if found := _REGEX_OF_PYTHON.search(text):
        return f"{found[0]!r} is not supported"
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


def _users(
    draft: Draft, key: tuple[str, str], options: Options, sources: Sources
) -> tuple[tuple[str, str], ...]:
    if not options.auth_secret:
        return ()
    namespace, slash, name = options.auth_secret.rpartition("/")
    try:
        if slash and namespace != key[0]:
            raise SecretProblem("is in another namespace")
        return sources.users(key[0], name)
    except SecretProblem as problem:
        draft.problems.append((key, f'secret "{key[0]}/{name}" {problem}, nobody is let in'))
        return ()


def _add_certificate(
    draft: Draft, key: tuple[str, str], secret: str, hosts: tuple[str, ...], sources: Sources
) -> None:
    try:
        pem = sources.tls_secret(key[0], secret)
    except SecretProblem as problem:
        draft.problems.append((key, f'TLS secret "{key[0]}/{secret}" {problem}'))
        return
    file = f"{key[0]}_{secret}.pem"
    if known := draft.certificates.get(file):
        both = hosts and known.hosts  # one use without names means every name of the certificate
        hosts = tuple(dict.fromkeys((*known.hosts, *hosts))) if both else ()
    draft.certificates[file] = Certificate(file, pem, hosts)
