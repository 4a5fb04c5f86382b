"""From the references of one Ingress to backends: which endpoints, and with which options."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pinnace.ingress.model import Backend, Draft, Object, Sources
from pinnace.ingress.options import PLAIN, Options

H2_PROTOCOLS = ("kubernetes.io/h2c",)


@dataclass(slots=True)
class Maker:
    """Backends of one Ingress: shared with others as long as no annotation makes them its own."""

    draft: Draft
    key: tuple[str, str]
    options: Options
    users: tuple[tuple[str, str], ...]
    sources: Sources
    has_certificate: bool
    rewritten: int = 0

    def backend(self, reference: Object, path: str) -> str:
        """Add what a reference to a Service asks for; returns its name, "" when there is none."""
        wanted = reference.get("service")
        if not wanted:
            self.draft.problems.append((self.key, "resource backends are not supported: name a Service"))
            return ""
        port, namespace = wanted.get("port") or {}, self.key[0]
        name = f"{namespace}_{wanted['name']}_{port.get('name') or port.get('number')}"
        service = self.sources.service(namespace, wanted["name"])
        found = _port(service, port) if service else None
        options = _with_protocol(self.options, found)
        if self.options != PLAIN:
            name = f"{name}_{self.key[1]}"
        if options.rewrite_target:  # each path is rewritten in its own way
            name = f"{name}_{self.rewritten}"
            self.rewritten += 1
        if name not in self.draft.backends:
            if service is None:
                self.draft.problems.append((self.key, f'service "{namespace}/{wanted["name"]}" not found'))
            addresses = _addresses(found, self.sources.slices(namespace, wanted["name"])) if found else ()
            self.draft.backends[name] = Backend(
                name,
                addresses,
                options,
                path if options.rewrite_target else "",
                self.has_certificate,
                self.users,
            )
        return name


def _port(service: Object, wanted: Object) -> Object | None:
    ports = (service.get("spec") or {}).get("ports") or ()
    return next(
        (
            p
            for p in ports
            if (p.get("name") == wanted["name"] if wanted.get("name") else p["port"] == wanted.get("number"))
        ),
        None,
    )


def _with_protocol(options: Options, port: Object | None) -> Options:
    """A Service's `appProtocol: kubernetes.io/h2c` asks for HTTP/2 as well as the annotation does."""
    if port and port.get("appProtocol") in H2_PROTOCOLS and options.protocol == "HTTP":
        return replace(options, protocol="GRPC")
    return options


def _addresses(port: Object, slices: Iterable[Object]) -> tuple[str, ...]:
    """Ready endpoints behind one port of a Service, found by the port's name; IPv6 ones only where there are no others."""
    name, found = port.get("name", ""), {"IPv4": set[str](), "IPv6": set[str]()}
    for piece in slices:
        family = piece.get("addressType")
        if family not in found:
            continue
        for one in piece.get("ports") or ():
            if one.get("name", "") == name and one.get("port"):
                found[family].update(
                    f"[{endpoint['addresses'][0]}]:{one['port']}"
                    if family == "IPv6"
                    else f"{endpoint['addresses'][0]}:{one['port']}"
                    for endpoint in piece.get("endpoints") or ()
                    if (endpoint.get("conditions") or {}).get("ready") is not False
                )
    return tuple(sorted(found["IPv4"] or found["IPv6"]))
